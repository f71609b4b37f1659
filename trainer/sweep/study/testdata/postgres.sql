SELECT table_name, 'column', column_name::text, udt_name, is_nullable, column_default, character_maximum_length::text
FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'cosfit%'
UNION ALL
SELECT tablename::text, 'index', indexdef, '', '', '', '' FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'cosfit%'
UNION ALL
SELECT conrelid::regclass::text, 'constraint', conname, pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'cosfit%'
UNION ALL
SELECT t.typname, 'value', e.enumlabel, e.enumsortorder::text, '', '', '' FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid
UNION ALL SELECT 'version_info', schema_version::text, library_version, version_info_id::text, '', '', '' FROM version_info
UNION ALL SELECT 'alembic_version', version_num, '', '', '', '', '' FROM alembic_version

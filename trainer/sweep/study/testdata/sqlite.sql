SELECT t.name, 'column', c.name, c.type, c."notnull", c.dflt_value, c.pk
FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name NOT LIKE 'cosfit%'
UNION ALL
SELECT t.name, 'index', CASE i.origin WHEN 'c' THEN i.name ELSE i.origin END, i."unique", group_concat(c.name), 0, 0
FROM sqlite_master AS t, pragma_index_list(t.name) AS i, pragma_index_info(i.name) AS c
WHERE t.type = 'table' AND t.name NOT LIKE 'cosfit%' GROUP BY t.name, i.name
UNION ALL
SELECT t.name, 'reference', f."from", f."table", f."to", f.on_delete, 0
FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table' AND t.name NOT LIKE 'cosfit%'
UNION ALL SELECT 'version_info', schema_version, library_version, version_info_id, 0, 0, 0 FROM version_info
UNION ALL SELECT 'alembic_version', version_num, 0, 0, 0, 0, 0 FROM alembic_version

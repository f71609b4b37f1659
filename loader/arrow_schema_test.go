package loader

import (
	"encoding/base64"
	"testing"
)

// What pyarrow 26 wrote for the columns id, int64, emb, a list of 48 doubles,
// and when, a time stamp in Berlin; and what pyarrow, Polars and DuckDB have
// read as id, emb, a list of float, and when.
const (
	arrowBefore = "/////zABAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAMAAADMAAAAVAAAAAQAAABQ////AAABChAAAAAgAAAABAAAAAAAAAAEAAAAd2hlbgAAAAAIAAwABgAIAAgAAAAAAAIABAAAAA0AAABFdXJvcGUvQmVybGluAAAAnP///wAAARAUAAAAIAAAAAQAAAABAAAAHAAAAAMAAABlbWIAAAAGAAgABAAGAAAAMAAAAND///8AAAEDEAAAABwAAAAEAAAAAAAAAAQAAABpdGVtAAAGAAgABgAGAAAAAAACABAAFAAIAAYABwAMAAAAEAAQAAAAAAABAhAAAAAcAAAABAAAAAAAAAACAAAAaWQAAAgADAAIAAcACAAAAAAAAAFAAAAA"
	arrowAfter  = "/////7ABAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAMAAADMAAAADAEAAAQAAABQ////AAABChAAAAAgAAAABAAAAAAAAAAEAAAAd2hlbgAAAAAIAAwABgAIAAgAAAAAAAIABAAAAA0AAABFdXJvcGUvQmVybGluAAAAnP///wAAARAUAAAAIAAAAAQAAAABAAAAHAAAAAMAAABlbWIAAAAGAAgABAAGAAAAMAAAAND///8AAAEDEAAAABwAAAAEAAAAAAAAAAQAAABpdGVtAAAGAAgABgAGAAAAAAACABAAFAAIAAYABwAMAAAAEAAQAAAAAAABAhAAAAAcAAAABAAAAAAAAAACAAAAaWQAAAgADAAIAAcACAAAAAAAAAFAAAAAEAAUAAQAEAARAAgAAAAMABAAAABkAAAAPAAAAAgAAAABDAAAAQAAABQAAAAQABQABAAQABEACAAAAAwAEAAAACwAAAAcAAAAIAAAAAEDAAAEAAQABAAAAAYACAAEAAAACAAAAAEAAAAAAAAABwAAAGVsZW1lbnQAAwAAAGVtYgA="
)

func TestArrowSchema(t *testing.T) {
	got, ok := arrowWithFloats(arrowBefore, "emb", true)
	if !ok || got != arrowAfter {
		t.Errorf("%v, got\n%s\nwant\n%s", ok, got, arrowAfter)
	}
	again, ok := arrowWithFloats(got, "emb", true) // its own output is as readable
	if !ok || len(again) <= len(got) {
		t.Errorf("a second time: %v, %s", ok, again)
	}
	for _, column := range []string{"", "em", "item", "embe"} {
		if got, ok := arrowWithFloats(arrowBefore, column, true); ok {
			t.Errorf("column %q, which it does not have: %s", column, got)
		}
	}
}

// Cut short or changed in any byte, it does not panic.
func TestArrowSchemaDamaged(t *testing.T) {
	whole, err := base64.StdEncoding.DecodeString(arrowBefore)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if _, ok := arrowWithFloats(base64.StdEncoding.EncodeToString(whole[:i]), "emb", true); ok {
			t.Errorf("the first %d of %d bytes are taken for the schema", i, len(whole))
		}
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			data := append([]byte(nil), whole...)
			data[i] ^= flip
			arrowWithFloats(base64.StdEncoding.EncodeToString(data), "emb", true)
		}
	}
	if _, ok := arrowWithFloats("no base64!", "emb", true); ok {
		t.Error("nonsense is taken for the schema")
	}
}

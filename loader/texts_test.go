package loader

import (
	"errors"
	"os"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func TestReadTexts(t *testing.T) {
	type row struct {
		ID   string `parquet:"id"`
		Text string `parquet:"text"`
		Role string `parquet:"role"`
	}
	dir := t.TempDir()
	write := func(rows ...row) {
		if err := parquet.WriteFile(dir+"/texts.parquet", rows); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (got []Text, err error) {
		err = ReadTexts(os.DirFS(dir), "set", func(t Text) error {
			got = append(got, t)
			return nil
		})
		return got, err
	}
	_, err := read()
	wantError(t, err, "set: no texts.parquet in it: texts to embed stand there, in the columns id and text")

	write(row{TextID("a"), "a", "query"}, row{TextID("b"), "b", "passage"})
	got, err := read()
	if err != nil || len(got) != 2 || got[1] != (Text{NewID("b"), "b", "passage", ""}) {
		t.Errorf("%v, %v", got, err)
	}
	stop := errors.New("stop")
	if err := ReadTexts(os.DirFS(dir), "set", func(Text) error { return stop }); err != stop {
		t.Errorf("error %v, want that of visit", err)
	}

	write(row{TextID("a"), "a", ""}, row{TextID("a"), "b", ""})
	_, err = read()
	wantError(t, err, "set/texts.parquet: row 1: id is "+TextID("a")+", but that of its text is "+TextID("b")+": write the data set again")
	write(row{"q1", "a", ""})
	_, err = read()
	wantError(t, err, `set/texts.parquet: row 0: id: "q1" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`)
}

package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
)

// The rows of a wide file: the columns are loader.DefaultColumns, and the
// documents of both texts.
type (
	wideRow struct {
		Left    string    `parquet:"question_text,zstd"`
		Right   string    `parquet:"candidate_answers,zstd"`
		Label   float32   `parquet:"label"`
		Group   string    `parquet:"group,zstd"`
		Kind    string    `parquet:"kind,dict"`
		From    string    `parquet:"question_text_source,dict"`
		Source  string    `parquet:"candidate_answers_source,dict"`
		LeftEMB []float32 `parquet:"question_text_EMB,list"`
		RightMB []float32 `parquet:"candidate_answers_EMB,list"`
	}
	wideSplitRow struct {
		Left    string    `parquet:"question_text,zstd"`
		Right   string    `parquet:"candidate_answers,zstd"`
		Label   float32   `parquet:"label"`
		Split   string    `parquet:"split,dict"`
		Group   string    `parquet:"group,zstd"`
		Kind    string    `parquet:"kind,dict"`
		From    string    `parquet:"question_text_source,dict"`
		Source  string    `parquet:"candidate_answers_source,dict"`
		LeftEMB []float32 `parquet:"question_text_EMB,list"`
		RightMB []float32 `parquet:"candidate_answers_EMB,list"`
	}
)

// A Conversion writes a data set in the other layout, or in its own without some
// pairs. Nothing is lost: vectors stay bit by bit, and so do labels and their
// scale, groups, splits and kinds, but a wide file has no texts that are in no
// pair.
type Conversion struct {
	Data *loader.Dataset // open; with its vectors, or a folder goes without
	// Embeddings is a folder of vectors that is copied as it is, instead of the
	// vectors of Data.
	Embeddings fs.FS
	// Elsewhere says that the vectors of Data are in a cache, where a folder finds
	// them too: it goes without.
	Elsewhere bool
	// Keep says which pairs are written; nil means all.
	Keep    []bool
	Scratch string           // folder for a file of the texts; "" means the user's cache folder
	Show    func(rows int64) // called with how many pairs are written; may be nil

	texts   texts
	numbers []int32 // of the texts of the table's rows
	sources []string
}

// Wide writes a wide file, and returns how many texts it left out, since they are
// in no pair.
func (c *Conversion) Wide(ctx context.Context, path string) (unpaired int, err error) {
	defer c.texts.close()
	c.texts.dir = c.Scratch
	if unpaired, err = c.readTexts(ctx); err != nil {
		return 0, err
	}
	return unpaired, atomicfile.Write(path, func(w io.Writer) error { return c.writeWide(ctx, w) })
}

// readTexts puts the texts of the pairs where they are found by number, and
// counts those of no pair.
func (c *Conversion) readTexts(ctx context.Context) (unpaired int, err error) {
	rows := c.Data.Vectors.Rows()
	c.numbers, c.sources = slices.Repeat([]int32{none}, rows), make([]string, rows)
	byID := map[string]int32{}
	err = c.Data.Texts(func(row int32, t loader.Text) error {
		if row < 0 {
			unpaired++
			return ctx.Err()
		}
		n, err := c.texts.add(t.Text)
		if err != nil {
			return err
		}
		c.numbers[row], c.sources[row], byID[c.Data.Vectors.IDs[row]] = n, t.Source, row
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	for row, n := range c.numbers {
		if n != none {
			continue
		}
		first, ok := byID[c.Data.Vectors.IDs[row]] // a text with two vectors
		if !ok {
			return 0, c.noText(int32(row))
		}
		c.numbers[row], c.sources[row] = c.numbers[first], c.sources[first]
	}
	return unpaired, nil
}

// noText is the error for a row of the table without a text.
func (c *Conversion) noText(row int32) error {
	p := &c.Data.Pairs
	for i := range p.Left {
		if p.Left[i] == row || p.Right[i] == row {
			return fmt.Errorf("%s: row %d: a text of this pair is not known, and the other layout needs it: name the columns of the texts with --left-text-column and --right-text-column, or add it to texts.parquet", c.Data.Name, i)
		}
	}
	return nil
}

func (c *Conversion) writeWide(ctx context.Context, w io.Writer) error {
	options := []parquet.WriterOption{parquet.KeyValueMetadata("schema_version", "1")}
	if _, given := c.Data.GivenLabels(); given != "" {
		options = append(options, parquet.KeyValueMetadata("label_range", given))
	}
	if c.Data.Space.Dimensions > 0 {
		space, err := json.Marshal(c.Data.Space)
		if err != nil {
			return err
		}
		options = append(options, parquet.KeyValueMetadata(loader.WideSpaceKey, string(space)))
	}
	if c.Data.SplitGiven {
		return writeWideRows(ctx, c, w, options, func(r wideRow, split string) wideSplitRow {
			return wideSplitRow{r.Left, r.Right, r.Label, split, r.Group, r.Kind, r.From, r.Source, r.LeftEMB, r.RightMB}
		})
	}
	return writeWideRows(ctx, c, w, options, func(r wideRow, _ string) wideRow { return r })
}

// pairs lists the pairs to write.
func (c *Conversion) pairs() []int {
	var list []int
	for i := range c.Data.Pairs.Len() {
		if c.Keep == nil || c.Keep[i] {
			list = append(list, i)
		}
	}
	return list
}

// writeWideRows writes the pairs a few at a time, in row groups of some
// megabytes.
func writeWideRows[T any](ctx context.Context, c *Conversion, w io.Writer, options []parquet.WriterOption, row func(r wideRow, split string) T) error {
	const batch, groupBytes = 64, 32 << 20
	d := c.Data.Vectors.Dim
	group := max(batch, groupBytes/(8*d)/batch*batch)
	out := parquet.NewGenericWriter[T](w, options...)
	p, table := &c.Data.Pairs, c.Data.Vectors
	labels, _ := c.Data.GivenLabels()
	vectors := make([]float32, 2*batch*d)
	rows := make([]int32, 0, 2*batch)
	values := make([]T, 0, batch)
	list := c.pairs()
	for first := 0; first < len(list); first += batch {
		pairs := list[first:min(first+batch, len(list))]
		rows, values = rows[:0], values[:0]
		for _, i := range pairs {
			rows = append(rows, p.Left[i], p.Right[i])
		}
		if err := table.Read(rows, vectors); err != nil {
			return err
		}
		for k, i := range pairs {
			r := wideRow{Label: labels[i], Group: p.Groups[p.Group[i]], Kind: p.Kind[i].String(), From: c.sources[p.Left[i]], Source: c.sources[p.Right[i]],
				LeftEMB: vectors[2*k*d : (2*k+1)*d], RightMB: vectors[(2*k+1)*d : (2*k+2)*d]}
			for side, to := range []*string{&r.Left, &r.Right} {
				text, err := c.texts.read(c.numbers[rows[2*k+side]], nil)
				if err != nil {
					return err
				}
				*to = string(text)
			}
			values = append(values, row(r, p.Split[i].String()))
		}
		if _, err := out.Write(values); err != nil {
			return err
		}
		if (first+batch)%group == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if err := c.show(ctx, first+len(pairs)); err != nil {
			return err
		}
	}
	return out.Close()
}

func (c *Conversion) show(ctx context.Context, rows int) error {
	if c.Show != nil {
		c.Show(int64(rows))
	}
	return ctx.Err()
}

// Folder writes a data set folder with its vectors in embeddings/. Nothing may
// stand there but an empty folder, or, with replace, a data set.
func (c *Conversion) Folder(ctx context.Context, dir string, replace bool) error {
	if err := CheckOut(dir, replace); err != nil {
		return err
	}
	return atomicfile.WriteDir(dir, func(temporary string) error {
		if err := c.writeTextRows(ctx, filepath.Join(temporary, "texts.parquet")); err != nil {
			return err
		}
		if err := c.writePairRows(ctx, filepath.Join(temporary, "pairs.parquet")); err != nil {
			return err
		}
		embeddings := filepath.Join(temporary, "embeddings")
		switch {
		case c.Embeddings != nil:
			return copyEmbeddings(c.Embeddings, embeddings)
		case c.Elsewhere:
			return nil
		case c.Data.Vectors.Dim > 0:
			return c.writeVectors(ctx, embeddings)
		}
		return nil
	})
}

// writeTextRows writes the texts, those of no pair too, and looks that all of the
// pairs are there.
func (c *Conversion) writeTextRows(ctx context.Context, path string) error {
	known := map[string]bool{}
	err := writeParquet(path, parquetOptions(), func(write func(textRow) error) error {
		return c.Data.Texts(func(row int32, t loader.Text) error {
			if row >= 0 {
				known[c.Data.Vectors.IDs[row]] = true
			}
			if err := write(textRow{t.ID.String(), t.Text, t.Role, t.Source}); err != nil {
				return err
			}
			return ctx.Err()
		})
	})
	if err != nil {
		return err
	}
	for row, id := range c.Data.Vectors.IDs {
		if !known[id] {
			return c.noText(int32(row))
		}
	}
	return nil
}

func (c *Conversion) writePairRows(ctx context.Context, path string) error {
	options := parquetOptions()
	labels, given := c.Data.GivenLabels()
	if given != "" {
		options = append(options, parquet.KeyValueMetadata("label_range", given))
	}
	p, ids := &c.Data.Pairs, c.Data.Vectors.IDs
	list := c.pairs()
	if c.Data.SplitGiven {
		return writeRows(path, len(list), options, func(k int) (pairRow, error) {
			i := list[k]
			return pairRow{ids[p.Left[i]], ids[p.Right[i]], labels[i], p.Split[i].String(), p.Groups[p.Group[i]], p.Kind[i].String()}, c.show(ctx, k+1)
		})
	}
	return writeRows(path, len(list), options, func(k int) (unsplitRow, error) {
		i := list[k]
		return unsplitRow{ids[p.Left[i]], ids[p.Right[i]], labels[i], p.Groups[p.Group[i]], p.Kind[i].String()}, c.show(ctx, k+1)
	})
}

// writeVectors writes a folder of vectors below dir.
func (c *Conversion) writeVectors(ctx context.Context, dir string) error {
	table := c.Data.Vectors
	order := make([]int32, table.Rows())
	ids := make([]loader.ID, table.Rows())
	for row, name := range table.IDs {
		order[row] = int32(row)
		ids[row], _ = loader.ParseID(name) // which are those of the texts
	}
	slices.SortFunc(order, func(a, b int32) int { return ids[a].Compare(ids[b]) })
	for k := 1; k < len(order); k++ {
		if ids[order[k]] == ids[order[k-1]] {
			return fmt.Errorf("%s: the text %s has another vector on the left than on the right, and a folder has one for each text: embed the texts with cosfit embed, whose cache keeps both", c.Data.Name, ids[order[k]])
		}
	}
	space := c.Data.Space
	if space.Dimensions == 0 {
		space = loader.Manifest{SchemaVersion: 1, Dimensions: table.Dim}
	}
	dir = filepath.Join(dir, folderName(space))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(space, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, loader.ManifestFile), append(manifest, '\n'), 0o666); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "0000.parquet"))
	if err != nil {
		return err
	}
	return errors.Join(c.writeSegment(ctx, f, space, order, ids), f.Close())
}

func (c *Conversion) writeSegment(ctx context.Context, f *os.File, space loader.Manifest, order []int32, ids []loader.ID) error {
	const batch = 256
	d := c.Data.Vectors.Dim
	w := loader.NewSegmentWriter(f, space)
	vectors := make([]float32, batch*d)
	for first := 0; first < len(order); first += batch {
		rows := order[first:min(first+batch, len(order))]
		if err := c.Data.Vectors.Read(rows, vectors); err != nil {
			return err
		}
		for k, row := range rows {
			if err := w.Add(ids[row], vectors[k*d:(k+1)*d]); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Sync()
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// folderName is what the folder of a space is called in embeddings/.
func folderName(space loader.Manifest) string {
	name := strings.Trim(unsafeInName.ReplaceAllString(filepath.Base(space.Model), "-"), ".-")
	if name == "" {
		return "vectors-" + strconv.Itoa(space.Dimensions)
	}
	return name
}

package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/shell"
)

// Options say how to read a data set. The zero value reads a folder, or a wide
// file whose columns have the usual names.
type Options struct {
	// Embeddings names the sub-folder of embeddings/, or else of Cache, to use. It
	// may be empty where only one has vectors of all texts. Two of Cache, with a
	// comma between them, are for the left and the right texts: models that want
	// to be told which side a text is on have a space for each.
	Embeddings string
	// Cache is the folder of a cache of vectors, which loader/embed/cache fills;
	// empty means none. A data set's own embeddings/ are looked in first.
	Cache string
	// CacheGiven says that the user named the cache, so that commands which
	// messages propose name it as well.
	CacheGiven bool
	// UnequalSides takes left and right texts whose vectors have different
	// dimensions, as those of two models; see [Table.Sides].
	UnequalSides bool
	// LabelRange is the scale of the labels, such as "0..5", where the file's
	// metadata do not say. Empty means 0..1, or −1..1 where one is negative.
	LabelRange string
	// Columns of a wide file.
	Columns Columns
	// Passages gives the table of a folder also the passages of texts.parquet that
	// are in no pair.
	Passages bool
	// Memory bounds the buffers for vectors, in bytes; 0 means no bound. Vectors
	// that take more than half of it are put into a scratch file and streamed
	// from there.
	Memory int64
	// Scratch is the folder of that file; empty means the user's cache folder.
	Scratch string
	// Split says how the pairs are divided.
	Split SplitOptions
	// PairsOnly leaves the vectors away, where pairs and texts are all that is
	// wanted. The table has ids then, but neither numbers nor a dimension. A wide
	// file without texts has nothing else to tell them by, and is read whole.
	PairsOnly bool
	// Strict makes a group or a text in two splits an error, not a note.
	Strict bool
}

// Open reads a data set folder or a wide Parquet file. The caller closes it.
func Open(ctx context.Context, name string, opts Options) (*Dataset, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, withoutPath(err))
	}
	if info.IsDir() {
		return OpenFS(ctx, os.DirFS(name), name, opts)
	}
	f, err := openWidePath(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return readWide(ctx, f, opts)
}

// openWidePath opens a wide file. Of a file of texts, which is often taken for one,
// it says what makes a data set.
func openWidePath(name string) (*parquetFile, error) {
	f, err := openParquetPath(name)
	if texts := []string{".csv", ".tsv", ".json", ".jsonl", ".txt"}; errors.Is(err, errNotParquet) && slices.Contains(texts, strings.ToLower(filepath.Ext(name))) {
		file := shell.Quote(name)
		err = fmt.Errorf("%w; from texts, cosfit fit %s makes a run, and cosfit prepare pairs --in %s a data set", err, file, file)
	}
	return f, err
}

// OpenFS reads a data set folder that is the root of fsys; name is what
// messages call it. Files of fsys must implement io.ReaderAt. The caller closes
// the data set.
func OpenFS(ctx context.Context, fsys fs.FS, name string, opts Options) (*Dataset, error) {
	return openFolder(ctx, named{fsys, name}, opts)
}

// named is a file system whose errors show the path that the user knows.
type named struct {
	fs.FS
	root string
}

func (n named) path(name string) string { return path.Join(filepath.ToSlash(n.root), name) }

// open opens a Parquet file under its full name.
func (n named) open(name string) (*parquetFile, error) {
	return openParquet(n.FS, name, n.path(name))
}

// checkSchema refuses files that a later version wrote.
func checkSchema(f *parquetFile) error {
	const known = "1"
	if v, ok := f.Lookup("schema_version"); ok && v != known {
		return f.errorf("schema_version is %s, this cosfit knows %s: use a newer cosfit", v, known)
	}
	return nil
}

// finish settles what a data set may leave open, the same way for both
// layouts, and looks for what should not be; file is where the pairs are.
// sources tells the document of each row of the table.
func (d *Dataset) finish(file string, splitGiven bool, opts Options, sources func() ([]int32, error)) error {
	if err := d.divide(opts.Split, splitGiven, sources); err != nil {
		return err
	}
	return d.noteLeaks(file, opts.Strict)
}

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/scratch"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
	"github.com/cosfit/cosfit/loader/negatives"
	"github.com/cosfit/cosfit/loader/prepare"
)

// embedDraft makes sure of vectors of some texts of a draft in the cache, and
// opens them for choosing negatives. The caller closes them.
func embedDraft(c *cli.Context, d *prepare.Draft, jobs []embedJob, queries, passages []int32) (*negatives.Vectors, func(), error) {
	var files []*vectorFile
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, job := range jobs {
		list := queries
		switch job.role {
		case "passage":
			list = passages
		case "":
			list = append(append([]int32{}, queries...), passages...)
		}
		done, err := embedList(c, "negatives", draftTexts(d, list), job, c.App.ErrWriter)
		if err == nil {
			var f *vectorFile
			if f, err = openVectorFile(c, d, job.by.Space(), list, done.Folder); err == nil {
				files = append(files, f)
			}
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
	}
	v := &negatives.Vectors{Dim: files[0].dim, Queries: files[0].read}
	if len(files) > 1 {
		v.Passages = files[1].read
	}
	return v, closeAll, nil
}

// draftTexts goes through some texts of a draft, each once.
func draftTexts(d *prepare.Draft, list []int32) embed.Texts {
	return func(yield func(embed.Text, error) bool) {
		seen := make([]bool, d.Texts())
		for _, n := range list {
			if seen[n] {
				continue
			}
			seen[n] = true
			text, err := d.Text(n)
			if !yield(embed.Text{ID: d.ID(n).String(), Text: text}, err) || err != nil {
				return
			}
		}
	}
}

// A vectorFile is the vectors of some texts of a draft, in a scratch file, where
// each is found at once whatever the cache's order.
type vectorFile struct {
	file *os.File
	dim  int
	slot []int32 // of each text of the draft, −1 where it has none
	buf  []byte
}

func openVectorFile(c *cli.Context, d *prepare.Draft, space embed.Space, list []int32, name string) (*vectorFile, error) {
	file, err := scratch.Create(c.String("scratch"), "vectors")
	if err != nil {
		return nil, fmt.Errorf("vectors are kept in a scratch file: %w; choose another folder with --scratch", err)
	}
	f := &vectorFile{file: file, slot: make([]int32, d.Texts())}
	if err := f.fill(c, d, space, list); err != nil {
		f.Close()
		return nil, err
	}
	for _, n := range list {
		if f.slot[n] < 0 {
			f.Close()
			return nil, fmt.Errorf("%s has no vector of text %s", name, d.ID(n))
		}
	}
	return f, nil
}

// fill copies the vectors out of the cache, in its order.
func (f *vectorFile) fill(c *cli.Context, d *prepare.Draft, space embed.Space, list []int32) (err error) {
	for i := range f.slot {
		f.slot[i] = -1
	}
	wanted := make(map[loader.ID]int32, len(list))
	for _, n := range list {
		wanted[d.ID(n)] = n
	}
	dir, err := cacheFrom(c)
	if err != nil {
		return err
	}
	store, err := cache.Open(dir).Store(space)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	slots := int32(0)
	return store.Each(func(id loader.ID, v []float32) error {
		n, ok := wanted[id]
		if !ok || f.slot[n] >= 0 {
			return nil
		}
		f.dim = len(v)
		f.buf = f.buf[:0]
		for _, x := range v {
			f.buf = binary.LittleEndian.AppendUint32(f.buf, math.Float32bits(x))
		}
		if _, err := f.file.WriteAt(f.buf, int64(slots)*int64(len(f.buf))); err != nil {
			return err
		}
		f.slot[n] = slots
		slots++
		return nil
	})
}

// read copies the vectors of texts into dst [len(texts), dim].
func (f *vectorFile) read(texts []int32, dst []float32) error {
	size := 4 * f.dim
	if cap(f.buf) < size {
		f.buf = make([]byte, size)
	}
	for i, n := range texts {
		b := f.buf[:size]
		if _, err := f.file.ReadAt(b, int64(f.slot[n])*int64(size)); err != nil {
			return err
		}
		row := dst[i*f.dim : (i+1)*f.dim]
		for k := range row {
			row[k] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*k:]))
		}
	}
	return nil
}

func (f *vectorFile) Close() error { return scratch.Close(f.file) }

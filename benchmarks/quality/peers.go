package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/internal/npy"
	"github.com/cosfit/cosfit/loader"
)

//go:embed peers.py
var peersScript []byte

// A peer is a method in Python.
type peer struct {
	Name string `json:"name"`
	Side string `json:"side"`
	// Version is the package with its version.
	Version string `json:"version"`
}

// A workshop is the process in which the peers work, with one table of vectors.
type workshop struct {
	peers []peer
	in    io.WriteCloser
	out   *bufio.Scanner
	wait  func() error
}

// openWorkshop starts peers.py. Its files stay in a folder of their own.
func openWorkshop(ctx context.Context, python, folder string, table *loader.Table, threads int) (*workshop, error) {
	script, vectors := filepath.Join(folder, "peers.py"), filepath.Join(folder, "vectors.npy")
	if err := os.WriteFile(script, peersScript, 0o666); err != nil {
		return nil, err
	}
	if err := writeTable(vectors, table); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, python, "-W", "ignore", script, vectors)
	cmd.Env = append(os.Environ(), fmt.Sprintf("OMP_NUM_THREADS=%d", threads), fmt.Sprintf("MKL_NUM_THREADS=%d", threads))
	log, err := os.Create(filepath.Join(folder, "peers.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	w := &workshop{wait: cmd.Wait}
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	w.out.Buffer(nil, 1<<28)
	var hello struct {
		Peers []peer   `json:"peers"`
		Notes []string `json:"notes"`
	}
	if err := w.read(&hello); err != nil {
		w.close()
		return nil, fmt.Errorf("%w; what it said is in %s", err, log.Name())
	}
	for _, note := range hello.Notes {
		fmt.Fprintln(os.Stderr, "a peer is not here:", note)
	}
	w.peers = hello.Peers
	return w, nil
}

func (w *workshop) read(v any) error {
	if !w.out.Scan() {
		return errors.Join(errors.New("peers.py ended without an answer"), w.out.Err())
	}
	return json.Unmarshal(w.out.Bytes(), v)
}

func (w *workshop) close() error {
	w.in.Close()
	return w.wait()
}

// writeTable writes the vectors as numpy reads them.
func writeTable(path string, table *loader.Table) error {
	rows := make([]int32, table.Rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	values := make([]float32, len(rows)*table.Dim)
	if err := table.Read(rows, values); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if _, err := w.Write(npy.AppendHeader(nil, len(rows), table.Dim)); err != nil {
			return err
		}
		return binary.Write(w, binary.LittleEndian, values)
	})
}

// fit has a peer learn from a draw.
func (w *workshop) fit(d *draw, p peer, trial int) (outcome, error) {
	validation := listOf(d.carved, d.carved.Indices(loader.Validation))
	test := listOf(d.all, d.test)
	request := struct {
		Peer       string `json:"peer"`
		Trial      int    `json:"trial"`
		Seed       uint32 `json:"seed"`
		Graded     bool   `json:"graded"`
		Train      list   `json:"train"`
		Validation list   `json:"validation"`
		Score      list   `json:"score"`
	}{p.Name, trial, uint32(d.seed()) >> 4, d.all.Labels.Graded, listOf(d.carved, d.carved.Indices(loader.Train)), validation, validation.then(test)}
	o := outcome{threshold: math.NaN(), accepted: true}
	if err := json.NewEncoder(w.in).Encode(request); err != nil {
		return o, err
	}
	var answer struct {
		Cosines  []float32       `json:"cosines"`
		Settings json.RawMessage `json:"settings"`
		Seconds  float64         `json:"seconds"`
		Error    string          `json:"error"`
	}
	if err := w.read(&answer); err != nil {
		return o, fmt.Errorf("%s: %w", p.Name, err)
	}
	if answer.Error != "" {
		return o, fmt.Errorf("%s: %s", p.Name, answer.Error)
	}
	n := len(validation.Left)
	if len(answer.Cosines) != n+len(test.Left) {
		return o, fmt.Errorf("%s: %d cosines, want %d", p.Name, len(answer.Cosines), n+len(test.Left))
	}
	o.validation, o.test = answer.Cosines[:n], answer.Cosines[n:]
	o.settings, o.seconds = answer.Settings, answer.Seconds
	return o, nil
}

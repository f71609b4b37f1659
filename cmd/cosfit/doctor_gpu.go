package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
)

// gpus is what doctor found of GPUs and of what it takes to use them.
type gpus struct {
	Supported bool      `json:"supported"` // by this build
	Used      bool      `json:"used"`      // by --device auto
	Present   []string  `json:"present"`   // as the driver shows them in its files
	Devices   []gpu     `json:"devices"`
	Libraries []library `json:"libraries"`
	SelfTest  *check    `json:"self_test"` // null where no training step was tried
	Text      string    `json:"text"`

	problems []string // what is missing, and what to do
}

type gpu struct {
	Number          int           `json:"number"` // of --device cuda:NUMBER
	Name            string        `json:"name"`
	Memory          rundir.Figure `json:"memory_bytes"`
	Capability      string        `json:"compute_capability"`
	Multiprocessors int           `json:"multiprocessors"`
}

type library struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Path    string `json:"path"`
	Error   string `json:"error,omitempty"`
}

// gpuTolerance is selfTestTolerance on a GPU, whose sums run in another order.
const gpuTolerance = 1e-5

// A gpuRoom is package cuda, or a test's idea of it.
type gpuRoom struct {
	supported bool
	devices   func() ([]cuda.Device, error)
	libraries func() []cuda.Library
	open      func() (graph.Backend, error)
}

func cudaRoom() gpuRoom {
	return gpuRoom{cuda.Supported, cuda.Devices, cuda.Libraries, func() (graph.Backend, error) {
		return openCUDA(&place{precision: cuda.FP32})
	}}
}

// noGPUSupport is all that a build without GPU support has to say.
const noGPUSupport = "this build has no GPU support: go build -tags gpu, on Linux, makes one that has it"

// look lists GPUs and libraries, and where all are there makes a training step
// on the first GPU.
func (room gpuRoom) look(present []string) gpus {
	g := gpus{Supported: room.supported, Present: present, Devices: []gpu{}, Libraries: []library{}, Text: noGPUSupport}
	if !room.supported {
		return g
	}
	for _, l := range room.libraries() {
		found := library{Name: l.Name, Version: l.Version, Path: l.Path}
		if l.Err != nil {
			found.Error = l.Err.Error()
			g.problem(l.Err)
		}
		g.Libraries = append(g.Libraries, found)
	}
	devices, err := room.devices()
	if err != nil || len(devices) == 0 {
		if err == nil {
			err = errors.New("the driver shows no GPU")
		}
		g.Text = "none is used: " + err.Error()
		if len(g.problems) == 0 {
			g.problem(err)
		}
		return g
	}
	for _, d := range devices {
		g.Devices = append(g.Devices, gpu{d.Index, d.Name, rundir.Figure(d.Memory), d.Capability, d.Multiprocessors})
	}
	if len(g.problems) > 0 {
		g.Text = "not used, because a library is missing"
		return g
	}
	g.try(room.open)
	return g
}

// try makes a training step on the first GPU.
func (g *gpus) try(open func() (graph.Backend, error)) {
	b, err := open()
	if err != nil {
		g.SelfTest = &check{Error: rundir.None, Text: err.Error()}
	} else {
		defer b.Close()
		result := selfTest(b, gpuTolerance)
		g.SelfTest = &result
	}
	g.Used, g.Text = g.SelfTest.Passed, "--device auto takes the first"
	if !g.Used {
		g.Text = "not used: " + g.SelfTest.Text
		g.problem(errors.New("the GPU does not work: " + g.SelfTest.Text))
	}
}

// problem makes a sentence of an error.
func (g *gpus) problem(err error) {
	first, size := utf8.DecodeRuneInString(err.Error())
	g.problems = append(g.problems, string(unicode.ToUpper(first))+err.Error()[size:]+".")
}

// facts are the panel's lines.
func (g gpus) facts() (facts []report.Fact) {
	add := func(name, what string) { facts = append(facts, report.Fact{Name: name, What: what}) }
	for _, d := range g.Devices {
		add("", fmt.Sprintf("cuda:%d %s, %s, compute capability %s, %d multiprocessors", d.Number, d.Name, bytesText(d.Memory), d.Capability, d.Multiprocessors))
	}
	switch {
	case len(g.Devices) > 0 && !g.Used:
		add("", g.Text)
	case len(g.Devices) == 0 && len(g.Present) > 0:
		add("", strings.Join(g.Present, ", ")+": not used, "+g.Text)
	case len(g.Devices) == 0:
		add("", g.Text)
	}
	facts[0].Name = "GPU"
	for _, l := range g.Libraries {
		if l.Error != "" {
			add(l.Name, "not there")
		} else {
			add(l.Name, l.Version+", "+l.Path)
		}
	}
	if g.SelfTest != nil && g.SelfTest.Passed {
		add("GPU test", g.SelfTest.Text)
	}
	return facts
}

// advice is what to do about what is missing.
func (g gpus) advice() []string {
	if !g.Supported && len(g.Present) > 0 {
		return []string{"There is a GPU that this build cannot use: build cosfit with go build -tags gpu."}
	}
	return g.problems
}

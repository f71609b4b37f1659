package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/graph"
	engine "github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/report"
)

// TestDoctorGPU shows machines of every kind, with the CPU's backend in the
// place of a GPU's.
func TestDoctorGPU(t *testing.T) {
	driver := cuda.Library{Name: "driver", Version: "13.0", Path: "/lib/libcuda.so.1"}
	nvrtc := cuda.Library{Name: "NVRTC", Version: "13.0", Path: "/lib/libnvrtc.so.13"}
	missing := cuda.Library{Name: "NVRTC", Err: errors.New("NVRTC was not found: pip install it")}
	card := cuda.Device{Name: "NVIDIA Imaginary", Memory: 80e9, Capability: "9.0", Multiprocessors: 132}
	second := cuda.Device{Index: 1, Name: "Another", Memory: 16e9, Capability: "8.6", Multiprocessors: 60}
	works := func() (graph.Backend, error) { return engine.New(1), nil }
	noDriver := errors.New("no NVIDIA driver is installed: install one")

	for _, test := range []struct {
		name       string
		room       gpuRoom
		present    []string
		used       bool
		selfTested bool
		facts      string
		advice     string
	}{
		{name: "without the tag", room: gpuRoom{}, facts: "GPU: " + noGPUSupport},
		{name: "without the tag, with a card", room: gpuRoom{}, present: []string{"NVIDIA Imaginary"},
			facts:  "GPU: NVIDIA Imaginary: not used, " + noGPUSupport,
			advice: "There is a GPU that this build cannot use: build cosfit with go build -tags gpu."},
		{name: "without a driver",
			room: gpuRoom{true, func() ([]cuda.Device, error) { return nil, noDriver },
				func() []cuda.Library { return []cuda.Library{{Name: "driver", Err: noDriver}, nvrtc} }, works},
			facts: "GPU: none is used: no NVIDIA driver is installed: install one|driver: not there|NVRTC: 13.0, /lib/libnvrtc.so.13",
			// once, although both calls say it
			advice: "No NVIDIA driver is installed: install one."},
		{name: "a driver without a card",
			room: gpuRoom{true, func() ([]cuda.Device, error) { return nil, nil },
				func() []cuda.Library { return []cuda.Library{driver, nvrtc} }, works},
			facts:  "GPU: none is used: the driver shows no GPU|driver: 13.0, /lib/libcuda.so.1|NVRTC: 13.0, /lib/libnvrtc.so.13",
			advice: "The driver shows no GPU."},
		{name: "a library is missing",
			room: gpuRoom{true, func() ([]cuda.Device, error) { return []cuda.Device{card}, nil },
				func() []cuda.Library { return []cuda.Library{driver, missing} }, works},
			facts: "GPU: cuda:0 NVIDIA Imaginary, 80 GB, compute capability 9.0, 132 multiprocessors|: not used, because a library is missing|" +
				"driver: 13.0, /lib/libcuda.so.1|NVRTC: not there",
			advice: "NVRTC was not found: pip install it."},
		{name: "everything is there", used: true, selfTested: true,
			room: gpuRoom{true, func() ([]cuda.Device, error) { return []cuda.Device{card, second}, nil },
				func() []cuda.Library { return []cuda.Library{driver} }, works},
			facts: "GPU: cuda:0 NVIDIA Imaginary, 80 GB, compute capability 9.0, 132 multiprocessors|" +
				": cuda:1 Another, 16 GB, compute capability 8.6, 60 multiprocessors|driver: 13.0, /lib/libcuda.so.1|" +
				"GPU test: a training step agrees with double precision to "},
		{name: "a card that fails", selfTested: true,
			room: gpuRoom{true, func() ([]cuda.Device, error) { return []cuda.Device{card}, nil },
				func() []cuda.Library { return []cuda.Library{driver} }, func() (graph.Backend, error) { return nil, errors.New("it is on fire") }},
			facts: "GPU: cuda:0 NVIDIA Imaginary, 80 GB, compute capability 9.0, 132 multiprocessors|: not used: it is on fire|" +
				"driver: 13.0, /lib/libcuda.so.1",
			advice: "The GPU does not work: it is on fire."},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := test.room.look(test.present)
			if g.Used != test.used || (g.SelfTest != nil) != test.selfTested || test.selfTested && g.SelfTest.Passed != test.used {
				t.Errorf("used %v, self-test %+v", g.Used, g.SelfTest)
			}
			got := strings.Join(slices.Collect(lines(g.facts())), "|")
			if !strings.HasPrefix(got, test.facts) {
				t.Errorf("shows\n%q, want\n%q", got, test.facts)
			}
			if advice := strings.Join(g.advice(), "|"); advice != test.advice {
				t.Errorf("advises %q, want %q", advice, test.advice)
			}
			text, err := json.Marshal(g)
			if err != nil || strings.Contains(string(text), `"devices":null`) || strings.Contains(string(text), `"libraries":null`) {
				t.Errorf("JSON is %s, %v", text, err)
			}
		})
	}
}

func lines(facts []report.Fact) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, f := range facts {
			if !yield(f.Name + ": " + f.What) {
				return
			}
		}
	}
}

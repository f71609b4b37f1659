package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/cuda"
)

// placesFrom reads where the workers of a sweep compute, one place for each.
//
// On the CPU each worker has its share of the threads: trials beside each other
// keep all cores busy, where one small trial cannot. On GPUs there is a worker
// for each.
func placesFrom(c *cli.Context) ([]*place, error) {
	workers := c.Int("workers")
	if c.IsSet("workers") && workers < 1 {
		return nil, usage("--workers is %d, want at least 1", workers)
	}
	var devices []*place
	for device := range strings.SplitSeq(c.String("device"), ",") {
		p, err := placeOn(c, device)
		if err != nil {
			return nil, err
		}
		devices = append(devices, each(p, strings.Contains(device, ":"))...)
	}
	if len(devices) == 1 && devices[0].device != "cuda" {
		return onCores(c, devices[0], workers)
	}
	for _, p := range devices {
		if p.device != "cuda" {
			return nil, usage("--device is %q: several devices are GPUs, such as cuda:0,cuda:1", c.String("device"))
		}
	}
	if workers == 0 {
		workers = len(devices)
	}
	places := make([]*place, workers)
	for i := range places {
		p := *devices[i%len(devices)]
		places[i] = &p
	}
	return places, nil
}

// each is the GPUs that a place without a number stands for. On the CPU, and
// where there is no GPU, which opening the place will say, it is the place
// itself.
func each(p *place, numbered bool) []*place {
	if numbered || p.device == "cpu" {
		return []*place{p}
	}
	gpus, err := cuda.Devices()
	if err != nil || len(gpus) == 0 {
		return []*place{p}
	}
	all := make([]*place, len(gpus))
	for i := range all {
		one := *p
		one.device, one.number = "cuda", gpus[i].Index
		all[i] = &one
	}
	return all
}

// onCores divides the threads among the workers. A sweep that was begun with more
// workers than there are threads here goes on with one for each.
func onCores(c *cli.Context, p *place, workers int) ([]*place, error) {
	threads := p.threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if workers == 0 || workers > threads && c.Bool("resume") && !isTyped(c, "workers") {
		workers = threads
	}
	if workers > threads {
		return nil, usage("--workers is %d, more than the %d threads there are: want at most one for each", workers, threads)
	}
	places := make([]*place, workers)
	for i := range places {
		one := *p
		one.threads = threads / workers
		if i < threads%workers {
			one.threads++
		}
		places[i] = &one
	}
	return places, nil
}

// text is the place as --device takes it.
func (p *place) text() string {
	if p.device == "cuda" {
		return fmt.Sprintf("cuda:%d", p.number)
	}
	return p.device
}

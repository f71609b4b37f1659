package main

import (
	"context"
	"math"
	"os/exec"
	"testing"
)

// Each peer that python3 has learns something of the sample, from the pairs that it is given alone.
func TestPeers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import torch, numpy").Run() != nil {
		t.Skip("python3 has no PyTorch")
	}
	all := openSample(t, 0)
	shop, err := openWorkshop(context.Background(), python, t.TempDir(), all.Vectors, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer shop.close()
	d := newDraw(all, sets()[0], 1000, 0)
	none, err := d.score(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range shop.peers {
		t.Run(p.Name, func(t *testing.T) {
			for trial := range 2 {
				o, err := shop.fit(d, p, trial)
				if err != nil {
					t.Fatal(err)
				}
				again, err := shop.fit(d, p, trial)
				if err != nil {
					t.Fatal(err)
				}
				differ := 0.0
				for i, c := range o.test {
					if !(math.Abs(float64(c)) <= 1+1e-5) {
						t.Fatalf("trial %d: cosine %d is %v", trial, i, c)
					}
					if c != again.test[i] {
						t.Fatalf("trial %d: cosine %d is %v, and %v the second time", trial, i, c, again.test[i])
					}
					differ = max(differ, math.Abs(float64(c-none.test[i])))
				}
				if differ > 1.5 || differ == 0 {
					t.Errorf("trial %d: cosines are up to %v from those without a matrix", trial, differ)
				}
			}
		})
	}
}

package main

import (
	"testing"

	"github.com/cosfit/cosfit/loader/embed"
)

// TestBudget: --max-cost is that of all jobs of a call.
func TestBudget(t *testing.T) {
	job := embedJob{options: embed.Options{MaxCost: 5}}
	var spent budget
	if got := spent.rest(job).options.MaxCost; got != 5 {
		t.Errorf("the first job may cost %g", got)
	}
	spent.add(embedding{Result: &embed.Summary{Cost: 3.5}})
	spent.add(embedding{}) // one that had nothing to do
	if got := spent.rest(job).options.MaxCost; got != 1.5 {
		t.Errorf("after 3.5 of 5 the next may cost %g", got)
	}
	spent.add(embedding{Result: &embed.Summary{Cost: 2}})
	if got := spent.rest(job).options.MaxCost; !(got > 0 && got < 1e-9) { // 0 would mean any cost
		t.Errorf("with nothing left the next may cost %g", got)
	}
	if got := spent.rest(embedJob{}).options.MaxCost; got != 0 {
		t.Errorf("without --max-cost a job may cost %g, want any", got)
	}
}

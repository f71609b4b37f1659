package main

import "github.com/cosfit/cosfit/trainer/sweep/space"

// A preset is a space with what searches it, under a name. Flags and --space
// come before it.
type preset struct {
	settings        []space.Setting // in the form of flags
	sampler, pruner string
}

func presets() table[preset] {
	return table[preset]{
		// quick has what matters most for few pairs: a hundred trials of it, most of
		// them ended early, take about as long as a dozen trainings. The rate stays the
		// same and an average of the matrix is scored: so an epoch's figure is what the
		// trial would be worth if it ended there, and early figures tell good trials from
		// bad ones. Where the rate falls only at the end, they favour low rates.
		"quick": {[]space.Setting{
			{Name: "learning-rate", Value: "3e-4..3e-2:log"},
			{Name: "weight-decay", Value: "3..60:log"}, // from 2 over the rate on, a training with adamw diverges
			{Name: "dropout", Value: "0..0.4"},
			{Name: "batch-size", Value: "64,128,256"},
			{Name: "loss", Value: "cosent,logistic,mse"},
			{Name: "scale", Value: "5..40:log"},
			{Name: "epochs", Value: "64"},
			{Name: "schedule", Value: "constant"},
			{Name: "average", Value: "0.98"},
		}, "tpe", "asha"},
		// notebook is all combinations of the batch sizes and rates that the OpenAI
		// cookbook's notebook tries in pairs, chosen on validation instead of test.
		"notebook": {[]space.Setting{
			{Name: "recipe", Value: "notebook"},
			{Name: "batch-size", Value: "10,100,1000"},
			{Name: "learning-rate", Value: "10,100,1000"},
		}, "grid", "none"},
	}
}

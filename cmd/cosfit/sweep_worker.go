package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

func sweepWorkerCommand() *cli.Command {
	return &cli.Command{
		Name:  "worker",
		Usage: "help with a sweep from another process or machine",
		Description: "Makes trials of a sweep until there are enough. It takes everything but the data\n" +
			"from the storage; the data must be the same, wherever they lie. Any worker may be\n" +
			"killed: its trial goes to another one.\n\n" +
			"Examples:\n" +
			"  cosfit sweep worker --storage sweeps/first/study.db --study first --data sample\n" +
			"  cosfit sweep worker --storage postgres://cosfit@db/sweeps --study first --data pairs",
		Flags: slices.Concat(dataFlags(), drawFlags("as the sweep does"), []cli.Flag{
			&cli.StringFlag{Name: "study", Usage: "name of the study in the storage, the last part of the sweep's --out"},
		}, workFlags(), []cli.Flag{jsonFlag()}),
		Action: runSweepWorker,
	}
}

func runSweepWorker(c *cli.Context) error {
	storage, name := c.String("storage"), c.String("study")
	if storage == "" {
		return usage("--storage is missing: name that of the sweep, such as sweeps/first/study.db or postgres://user@host/database")
	}
	if name == "" {
		return usage("--study is missing: name the study in the storage, the last part of the sweep's --out")
	}
	if err := checkTimes(c); err != nil {
		return err
	}
	places, err := placesFrom(c)
	if err != nil {
		return err
	}
	source, err := trainedOn(c, rundir.Data{})
	if err != nil {
		return err
	}
	ctx := c.Context
	st, err := study.Open(ctx, storage, name, study.Options{Lease: c.Duration("lease")})
	if err != nil {
		return err
	}
	defer st.Close()
	data, err := openData(c, source)
	if err != nil {
		return err
	}
	defer data.Close()
	d := st.Definition()
	joined := searchedAgain(d)
	trainer.HoldOut(data, 0) // as the sweep has done
	if err := sameData(data, d); err != nil {
		return err
	}
	if err := joined.check(data); err != nil {
		return err
	}
	trials, err := st.Target(ctx)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	crew := crew{
		Context: c, data: data, study: st, searched: joined, places: places,
		sampler: d.Sampler, pruner: d.Pruner, seed: d.Seed, trials: trials, name: fmt.Sprintf("%s %d", host, os.Getpid()),
	}
	if err := crew.work(); errors.Is(err, context.Canceled) {
		return errors.New("interrupted; the trials under way go to other workers")
	} else if err != nil {
		return err
	}
	all, err := st.Trials(ctx)
	if err != nil {
		return err
	}
	count := sweep.CountOf(all)
	if c.Bool("json") {
		return writeJSON(c.App.Writer, count)
	}
	fmt.Fprintf(c.App.Writer, "%d trials complete, %d pruned, %d failed, %d running\n", count.Complete, count.Pruned, count.Failed, count.Running)
	return nil
}

// searchedAgain is what a study says of its sweep.
func searchedAgain(d study.Definition) searched {
	s := searched{space: d.Space}
	if d.Seed != 0 {
		s.fixed = append(s.fixed, space.Setting{Name: "seed", Value: strconv.FormatUint(d.Seed, 10)})
	}
	for _, f := range recipeFlags() {
		if value, ok := d.Flags[f.Names()[0]]; ok {
			s.fixed = append(s.fixed, space.Setting{Name: f.Names()[0], Value: value})
		}
	}
	return s
}

// sameData refuses a data set that is not the study's.
func sameData(data *loader.Dataset, d study.Definition) error {
	fingerprint, err := data.Fingerprint()
	if err == nil && fingerprint != d.Data {
		err = fmt.Errorf("%s is another data set than that of the study %s: its vectors, pairs, labels or splits differ (fingerprint %.8s, not %.8s)",
			data.Name, d.Name, fingerprint, d.Data)
	}
	return err
}

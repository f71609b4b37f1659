package trainer_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
)

// Example_train learns a matrix on the sample and says what it gained.
func Example_train() {
	ctx := context.Background()
	data, err := loader.OpenFS(ctx, sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "cosfit")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	dir, err := rundir.Create(filepath.Join(folder, "run"), false)
	if err != nil {
		log.Fatal(err)
	}
	backend := cpu.New(0)
	defer backend.Close()
	summary, err := trainer.Train(ctx, data, trainer.Options{
		Recipe:  trainer.Default(data.Vectors.Dim),
		Backend: backend,
		Dir:     dir,
	})
	if err != nil {
		log.Fatal(err)
	}
	gain := summary.Comparisons["test"]["roc_auc"]
	fmt.Println("accepted:", summary.Judgement.Accepted)
	fmt.Printf("ROC AUC on documents that training never saw: %.2f, then %.2f\n", gain.Before, gain.After)
	// Output:
	// accepted: true
	// ROC AUC on documents that training never saw: 0.85, then 0.92
}

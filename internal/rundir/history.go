package rundir

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// An Epoch is one row of history.csv: the figures of one split after one
// epoch. Epoch 0 is the start.
type Epoch struct {
	Epoch                 int    `json:"epoch"`
	Split                 string `json:"split"`
	Loss                  Figure `json:"loss"`
	Accuracy              Figure `json:"accuracy"`
	AccuracySE            Figure `json:"accuracy_se"`
	Threshold             Figure `json:"threshold"`
	AccuracyBestThreshold Figure `json:"accuracy_best_threshold"`
	ROCAUC                Figure `json:"roc_auc"`
	Selection             Figure `json:"selection"`     // the figure that chooses the epoch, on the split that it is taken from
	LearningRate          Figure `json:"learning_rate"` // of the next step
	Seconds               Figure `json:"seconds"`       // of training since the epoch before
	PairsPerSecond        Figure `json:"pairs_per_second"`
}

var historyHeader = []string{"epoch", "split", "loss", "accuracy", "accuracy_se", "threshold",
	"accuracy_best_threshold", "roc_auc", "selection", "learning_rate", "seconds", "pairs_per_second"}

func (e Epoch) record() []string {
	return []string{strconv.Itoa(e.Epoch), e.Split, e.Loss.String(), e.Accuracy.String(), e.AccuracySE.String(),
		e.Threshold.String(), e.AccuracyBestThreshold.String(), e.ROCAUC.String(), e.Selection.String(),
		e.LearningRate.String(), e.Seconds.String(), e.PairsPerSecond.String()}
}

// WriteHistory writes history.csv.
func (d Dir) WriteHistory(rows []Epoch) error {
	return atomicfile.Write(d.file(historyFile), func(w io.Writer) error {
		c := csv.NewWriter(w)
		c.Write(historyHeader)
		for _, e := range rows {
			c.Write(e.record())
		}
		c.Flush()
		return c.Error()
	})
}

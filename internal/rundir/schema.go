package rundir

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// A Figure is a number that may be unknown: NaN here, null in JSON, empty in
// CSV.
type Figure float64

// None is the unknown figure.
var None = Figure(math.NaN())

// Known reports whether the figure is a number.
func (f Figure) Known() bool { return f == f }

// MarshalJSON writes null for an unknown figure.
func (f Figure) MarshalJSON() ([]byte, error) {
	if !f.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads null as unknown.
func (f *Figure) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = None
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

func (f Figure) String() string {
	if !f.Known() {
		return ""
	}
	return strconv.FormatFloat(float64(f), 'g', -1, 64)
}

// A Part is a component of a recipe with its settings.
type Part struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// A Recipe is the settings of a training.
type Recipe struct {
	Name          string  `json:"recipe"`
	Dims          int     `json:"dims"`
	Side          string  `json:"side,omitempty"`  // empty means both
	Shape         *Part   `json:"shape,omitempty"` // none means full
	Epochs        int     `json:"epochs"`
	BatchSize     int     `json:"batch_size"`
	LearningRate  float64 `json:"learning_rate"`
	Dropout       float64 `json:"dropout"`
	Loss          Part    `json:"loss"`
	Matryoshka    []int   `json:"matryoshka,omitempty"`
	Optimizer     Part    `json:"optimizer"`
	Average       float64 `json:"average,omitempty"` // decay
	Schedule      Part    `json:"schedule"`
	Start         Part    `json:"init"`
	ClosedForm    *Part   `json:"closed_form,omitempty"`
	Patience      int     `json:"patience"`
	CrossValidate int     `json:"cross_validate,omitempty"`
	SelectedOn    string  `json:"selected_on"`
	Metric        string  `json:"metric,omitempty"` // empty means by the labels
	Seed          uint64  `json:"seed"`
	ShuffleWindow int     `json:"shuffle_window"`
}

// A Split is how the user asked for the pairs to be divided.
type Split struct {
	By     string `json:"by,omitempty"`
	Shares string `json:"shares,omitempty"`
	Folds  int    `json:"folds,omitempty"`
	Fold   int    `json:"fold,omitempty"`
	Seed   uint64 `json:"seed,omitempty"`
}

// Data identifies the data set of a run. Columns, Embeddings, GivenRange and
// Split are what it takes, beside the path, to open it again.
type Data struct {
	Path        string            `json:"path"`
	Columns     map[string]string `json:"columns,omitempty"`
	Embeddings  string            `json:"embeddings,omitempty"`
	Cache       string            `json:"cache,omitempty"` // that the vectors came from
	GivenRange  string            `json:"label_range_given,omitempty"`
	Split       Split             `json:"split,omitzero"`
	Fingerprint string            `json:"fingerprint"`
	Model       string            `json:"model"`
	Dimensions  int               `json:"dimensions"`
	// RightDimensions are those of the right texts' vectors where a second model made them, else 0.
	RightDimensions int            `json:"right_dimensions,omitempty"`
	LabelRange      string         `json:"label_range"`
	Pairs           map[string]int `json:"pairs"`
	Texts           int            `json:"texts"`
	Notes           []string       `json:"notes"`
}

// Config is config.json.
type Config struct {
	SchemaVersion int    `json:"schema_version"`
	Version       string `json:"cosfit_version"`
	Device        string `json:"device"`    // cpu or cuda
	Precision     string `json:"precision"` // of training steps: fp32, tf32 or bf16
	Kernel        string `json:"kernel"`
	Recipe
	Data  Data   `json:"data,omitzero"`
	Guard string `json:"guard,omitempty"` // path of texts that the result is tried on as well
}

// Metrics are the figures of one split.
type Metrics struct {
	Pairs                 int    `json:"pairs"`
	Loss                  Figure `json:"loss"`
	Majority              Figure `json:"majority"`
	Accuracy              Figure `json:"accuracy"`
	AccuracySE            Figure `json:"accuracy_se"`
	Threshold             Figure `json:"threshold"`
	AccuracyBestThreshold Figure `json:"accuracy_best_threshold"`
	BestThreshold         Figure `json:"best_threshold"`
	ROCAUC                Figure `json:"roc_auc"`
	AveragePrecision      Figure `json:"average_precision"`
	Precision             Figure `json:"precision"`
	Recall                Figure `json:"recall"`
	F1                    Figure `json:"f1"`
	Spearman              Figure `json:"spearman"`
	Pearson               Figure `json:"pearson"`
	Queries               int    `json:"queries"`
	MRR                   Figure `json:"mrr"`
	RecallAt1             Figure `json:"recall_at_1"`
	RecallAt10            Figure `json:"recall_at_10"`
	NDCGAt10              Figure `json:"ndcg_at_10"`
}

// Interval is a 95 % interval from resampling whole groups.
type Interval struct {
	Low  Figure `json:"low"`
	High Figure `json:"high"`
}

// Comparison is one figure before and after, with intervals.
type Comparison struct {
	Before         Figure   `json:"before"`
	BeforeInterval Interval `json:"before_interval"`
	After          Figure   `json:"after"`
	AfterInterval  Interval `json:"after_interval"`
	Gain           Figure   `json:"gain"`
	GainSE         Figure   `json:"gain_se"`
	GainInterval   Interval `json:"gain_interval"`
}

// WithoutShared is the figures of the pairs of a split that share neither a group nor a
// text with training.
type WithoutShared struct {
	Split       string                `json:"split"`
	SharedPairs int                   `json:"shared_pairs"`      // pairs of it that do, and are left out
	TooFew      bool                  `json:"too_few,omitempty"` // groups are left to tell a gain from chance
	Before      Metrics               `json:"before"`
	After       Metrics               `json:"after"`
	Comparisons map[string]Comparison `json:"comparisons"`
}

// Judgement says whether the learned matrix was accepted, and why.
type Judgement struct {
	Accepted bool   `json:"accepted"`
	Text     string `json:"text"`
	// Start says what training started from, in words; empty where that is the embeddings as they are.
	Start string `json:"start,omitempty"`
	// OverStart is the learned matrix (after) beside the start (before) on the pairs that chose between them.
	OverStart *Comparison `json:"over_start,omitempty"`
}

// Timing says where the time went.
type Timing struct {
	TotalSeconds      float64 `json:"total_seconds"`
	StartSeconds      float64 `json:"start_seconds"` // of choosing a start and of cross-validation
	TrainSeconds      float64 `json:"train_seconds"`
	EvaluateSeconds   float64 `json:"evaluate_seconds"`
	LoaderWaitSeconds float64 `json:"loader_wait_seconds"`
	PairsPerSecond    float64 `json:"pairs_per_second"`
	GFLOPS            float64 `json:"gflops"`
}

// Summary is summary.json. Maps are keyed by the name of the split;
// Comparisons by that and then by the name of the figure in Metrics.
type Summary struct {
	SchemaVersion int                              `json:"schema_version"`
	Before        map[string]Metrics               `json:"before"`
	After         map[string]Metrics               `json:"after"`
	Comparisons   map[string]map[string]Comparison `json:"comparisons"`
	WithoutShared *WithoutShared                   `json:"without_shared,omitempty"` // nil where the judged split shares nothing with training
	Account       *Account                         `json:"account,omitempty"`        // of test, or of the split that chose the epoch
	Guard         *Guard                           `json:"guard,omitempty"`          // nil where there are no such texts
	Selection     string                           `json:"selection"`                // name of the figure that chose the epoch
	SelectedOn    string                           `json:"selected_on"`
	BestEpoch     int                              `json:"best_epoch"`             // 0 is the start
	Epochs        int                              `json:"epochs"`                 // that were run
	LearnedLoss   *Part                            `json:"learned_loss,omitempty"` // with the numbers of its own that the best epoch had; nil where it learned none, or the result is the start
	Steps         int                              `json:"steps"`
	Device        string                           `json:"device"`
	Precision     string                           `json:"precision"`
	Judgement     Judgement                        `json:"judgement"`
	Timing        Timing                           `json:"timing,omitzero"`
	Config        Config                           `json:"config,omitzero"`
	Data          Data                             `json:"data"`
}

// WriteConfig writes config.json.
func (d Dir) WriteConfig(c Config) error { return d.writeJSON(configFile, c) }

// ReadConfig reads config.json.
func (d Dir) ReadConfig() (Config, error) {
	var c Config
	err := d.readJSON(configFile, &c)
	return c, err
}

// WriteSummary writes summary.json.
func (d Dir) WriteSummary(s Summary) error { return d.writeJSON(summaryFile, s) }

// ReadSummary reads summary.json.
func (d Dir) ReadSummary() (Summary, error) {
	var s Summary
	err := d.readJSON(summaryFile, &s)
	return s, err
}

func (d Dir) writeJSON(name string, v any) error {
	return atomicfile.Write(d.file(name), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

func (d Dir) readJSON(name string, v any) error {
	path := d.file(name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var version struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(raw, &version); err != nil {
		return fmt.Errorf("%s: not valid JSON: %w", path, err)
	}
	if version.SchemaVersion > SchemaVersion {
		return fmt.Errorf("%s: schema_version is %d, this cosfit knows %d: use a newer cosfit", path, version.SchemaVersion, SchemaVersion)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

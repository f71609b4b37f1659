package rundir

// A LearningCurve is what a recipe reaches with parts of the training groups.
type LearningCurve struct {
	SchemaVersion int             `json:"schema_version"`
	Split         string          `json:"split"`  // that was scored
	Figure        string          `json:"figure"` // as Metrics names it
	Start         Figure          `json:"start"`  // its value before any training
	Groups        int             `json:"groups"` // of the split
	Points        []LearningPoint `json:"points"` // the fewest groups first
	Gain          Figure          `json:"gain"`   // of the last point over the first
	GainSE        Figure          `json:"gain_se"`
	Text          string          `json:"text"` // what twice the labels would bring
	Seconds       float64         `json:"seconds"`
}

// A LearningPoint is a share of the training groups.
type LearningPoint struct {
	Share  float64  `json:"share"`
	Groups int      `json:"groups"`
	Pairs  int      `json:"pairs"`  // the mean of the draws
	Values []Figure `json:"values"` // of each draw
	Mean   Figure   `json:"mean"`
	// Gain is what it is above the point before, and GainSE the standard error of
	// that, both from other groups of the split and from other draws. Unknown at
	// the first point.
	Gain   Figure `json:"gain"`
	GainSE Figure `json:"gain_se"`
}

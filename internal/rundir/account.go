package rundir

// An Account puts a gain on one split into proportion.
type Account struct {
	Split  string `json:"split"`
	Figure string `json:"figure"` // that the rest is about, as Metrics names it
	Groups int    `json:"groups"`
	// MinimumDetectable is the smallest gain that so many groups show four times
	// out of five, at the level of 5 %: a smaller one would not be seen.
	MinimumDetectable Figure `json:"minimum_detectable_effect"`
	// Headroom is what figures can still rise by above the embeddings as they are.
	Headroom    map[string]Figure `json:"headroom"`
	PassageOnly *PassageOnly      `json:"passage_only,omitempty"` // nil where nothing can be fitted
	// Remarks are sentences about what of this changes how the figures are to be
	// read; often there is none.
	Remarks []string `json:"remarks"`
}

// PassageOnly is how far one gets without the query: a linear model that predicts
// the label from the right text's vector alone.
type PassageOnly struct {
	Method   string   `json:"method"`
	Texts    int      `json:"texts"` // right texts of the training split that it was fitted to
	Value    Figure   `json:"value"` // of the account's figure on its split
	Interval Interval `json:"interval"`
	Chance   Figure   `json:"chance"` // what knowing nothing gives
	Most     bool     `json:"explains_most"`
}

// A Guard is what a matrix does to texts that it was not learned for.
type Guard struct {
	Path       string `json:"path"`
	Texts      int    `json:"texts"`
	Queries    int    `json:"queries"`
	Neighbours int    `json:"neighbours"` // of each query that are looked at
	// NeighboursKept is the share of them that are among as many afterwards.
	NeighboursKept Figure `json:"neighbours_kept"`
	// Spearman is the correlation of cosines before and after over Pairs.
	Spearman Figure `json:"cosine_spearman"`
	Pairs    int    `json:"pairs"`
}

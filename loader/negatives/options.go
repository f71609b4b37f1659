package negatives

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// Options say which negatives each query gets. The names in parentheses are
// those of mine_hard_negatives of sentence-transformers.
type Options struct {
	Weak int // passages drawn at random from other groups and documents
	Hard int // passages chosen by similarity (num_negatives)

	// Pools are the passages that the hard negatives of a query are chosen from,
	// such as those of its document. Nil means all passages.
	Pools []Pool

	Ranks    Ranks
	Limits   Limits
	Strategy Strategy

	Splits  []loader.Split // whose queries get negatives; nil means all
	Seed    uint64
	Threads int   // 0 means one
	Memory  int64 // bytes that a search may hold beside the vectors; 0 means 400 MB

	// Progress is told how many of the queries were compared with all passages.
	Progress func(done, total int)
}

// A Pool is the passages that hard negatives of a query are chosen from. All are
// numbers of texts. It means nothing where the query and the answer are no
// similar pair, or no longer.
type Pool struct {
	Query, Answer int32
	Candidates    []int32 // in any order; what answers the query may be among them
}

// Ranks are the places of passages in the order of their similarity, counted
// from 0 without those that cannot be negatives (range_min, range_max). The zero
// value means from the first on: 50 places, or ten for each negative if that is
// more; and of a pool all.
type Ranks struct {
	From int
	To   int // the first that is left out; 0 means as said above
}

// ParseRanks reads "10..50".
func ParseRanks(s string) (r Ranks, err error) {
	if _, err := fmt.Sscanf(s+"\n", "%d..%d\n", &r.From, &r.To); err != nil || r.From < 0 || r.To <= r.From || r.To > math.MaxInt32 {
		return r, fmt.Errorf("%q is no range of ranks, want two whole numbers, the lower one first, such as 10..50", s)
	}
	return r, nil
}

// Limits strike passages out by their cosine with the query. Nil means no
// limit.
type Limits struct {
	Max *float64 // above it a passage probably answers the query (max_score)
	Min *float64 // below it a passage teaches nothing (min_score)
	// Margin is how much less similar a negative is than the least similar of the
	// query's answers (absolute_margin).
	Margin *float64
	// RelativeMargin is the same as a share of that answer's cosine
	// (relative_margin).
	RelativeMargin *float64
}

// any reports whether there is a limit.
func (l Limits) any() bool {
	return l.Max != nil || l.Min != nil || l.Margin != nil || l.RelativeMargin != nil
}

// Strategy says which of the passages in question are taken.
type Strategy string

// The strategies.
const (
	Top    Strategy = "top"    // the most similar; also ""
	Random Strategy = "random" // drawn at random
	First  Strategy = "first"  // the first in the order of the texts
)

// Strategies returns their names.
func Strategies() []string { return []string{string(Top), string(Random), string(First)} }

// check says what is wrong with the options. vectors says that there are some.
func (o *Options) check(vectors bool) error {
	switch {
	case o.Weak < 0 || o.Hard < 0:
		return errors.New("the number of negatives is below 0")
	case o.Weak+o.Hard == 0:
		return errors.New("no negatives are asked for: say how many hard or weak ones each query gets")
	case o.Strategy != "" && !slices.Contains(Strategies(), string(o.Strategy)):
		return fmt.Errorf("strategy %q is unknown; there are: %s", o.Strategy, strings.Join(Strategies(), ", "))
	case o.Hard > 0 && !vectors && (o.Pools == nil || o.Limits.any() || o.Ranks != Ranks{}):
		return errors.New("hard negatives are chosen by similarity, which needs the vectors of the texts: embed them")
	}
	return nil
}

// depth is how many of the best passages are looked at, from the first on.
func (r Ranks) depth(hard int) int {
	if r.To > 0 {
		return r.To
	}
	return r.From + max(50, 10*hard)
}

package alike

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// DefaultMemory bounds the index, in bytes.
const DefaultMemory = 256 << 20

// A Pair is two texts that are alike, A before B.
type Pair struct {
	A, B    int32
	Jaccard float64
}

// Across finds each two texts that are alike and in different splits, and returns
// them in order of their numbers. in is the set of splits of each text: bit 0 is
// training's. texts visits the texts by number, in any order that is the same each
// time, and each once; it is called again and again, and a text is valid during
// the call.
//
// The texts of other splits than training are indexed, as many at a time as
// memory allows (0 means DefaultMemory), and all texts run past the index. It
// has, of each text, only those shingles of which a text that is alike must have
// one: of |x| shingles the |x| − ⌈0.8·|x|⌉ + 1 rarest (prefix filtering, Bayardo,
// Ma and Srikant, Scaling Up All Pairs Similarity Search, WWW 2007).
func Across(ctx context.Context, in []uint8, texts func(visit func(n int32, text []byte) error) error, memory int64) ([]Pair, error) {
	if memory <= 0 {
		memory = DefaultMemory
	}
	var all []Pair
	for next := 0; next >= 0; {
		x := newIndex(in)
		var s shingler
		at, end := -1, -1 // how many texts were visited; where the next index begins
		err := texts(func(n int32, text []byte) error {
			if at++; at < next || end >= 0 || in[n]&^training == 0 {
				return ctx.Err()
			}
			if x.bytes() > memory {
				end = at
				return nil
			}
			x.add(n, s.shingles(text, asIs))
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		if next = end; len(x.texts) == 0 {
			break
		}
		x.build()
		pairs, err := x.probeAll(ctx, texts)
		if err != nil {
			return nil, err
		}
		all = append(all, pairs...)
	}
	slices.SortFunc(all, func(p, q Pair) int {
		if p.A != q.A {
			return int(p.A) - int(q.A)
		}
		return int(p.B) - int(q.B)
	})
	return all, nil
}

const training = 1

// separated reports whether two texts are in different splits.
func separated(a, b uint8) bool { return a != 0 && b != 0 && (a != b || a&(a-1) != 0) }

// An index finds the texts that are alike to one.
type index struct {
	in    []uint8
	texts []int32  // numbers
	start []int    // of each text's set in sets
	sets  []uint64 // ascending within a text; once built as rank makes them

	counts []uint16 // how common hashes are, by their lowest bits
	heads  []int32  // first posting of a bucket, or −1
	posts  []posting
}

type posting struct {
	shingle uint64
	text    int32 // position in texts
	next    int32
}

const countBits = 20

func newIndex(in []uint8) *index {
	return &index{in: in, start: []int{0}, counts: make([]uint16, 1<<countBits)}
}

// bytes is about what the index will take.
func (x *index) bytes() int64 { return int64(len(x.sets))*(8+24/4) + int64(len(x.texts))*48 }

func (x *index) add(n int32, set []uint64) {
	if len(set) == 0 {
		return
	}
	x.texts = append(x.texts, n)
	x.sets = append(x.sets, set...)
	x.start = append(x.start, len(x.sets))
	for _, h := range set {
		if c := &x.counts[h&(1<<countBits-1)]; *c < 1<<16-1 {
			*c++
		}
	}
}

func asIs(hash uint64) uint64 { return hash }

// rank puts how common a shingle is before its hash, so that the rarest of a set
// are the first of it.
func (x *index) rank(hash uint64) uint64 {
	return uint64(x.counts[hash&(1<<countBits-1)])<<48 | hash&(1<<48-1)
}

func (x *index) setOf(i int32) []uint64 { return x.sets[x.start[i]:x.start[i+1]] }

// prefix returns the rarest shingles of a set, of which a set that is alike has
// one.
func prefix(set []uint64) []uint64 { return set[:len(set)-atLeast(len(set))+1] }

// atLeast is ⌈0.8·n⌉, without the rounding of floats.
func atLeast(n int) int { return (4*n + 4) / 5 }

// build makes the postings.
func (x *index) build() {
	buckets := 1
	for buckets < len(x.sets)/4 {
		buckets *= 2
	}
	x.heads = slices.Repeat([]int32{-1}, buckets)
	for i := range x.texts {
		set := x.setOf(int32(i))
		for j, h := range set {
			set[j] = x.rank(h)
		}
		slices.Sort(set)
		for _, shingle := range prefix(set) {
			head := &x.heads[x.bucket(shingle)]
			x.posts = append(x.posts, posting{shingle, int32(i), *head})
			*head = int32(len(x.posts) - 1)
		}
	}
}

func (x *index) bucket(shingle uint64) uint64 { return shingle >> 16 & uint64(len(x.heads)-1) }

// A prober runs texts past an index. Several may share one.
type prober struct {
	*index
	shingler
	seen  []int32 // the last text that each of the index was compared with, + 1
	found []Pair
}

// probe finds the texts that are alike to text n.
func (p *prober) probe(n int32, text []byte) {
	set := p.shingles(text, p.rank)
	if len(set) == 0 {
		return
	}
	for _, shingle := range prefix(set) {
		for at := p.heads[p.bucket(shingle)]; at >= 0; at = p.posts[at].next {
			post := p.posts[at]
			if post.shingle != shingle || p.seen[post.text] == n+1 {
				continue
			}
			p.seen[post.text] = n + 1
			p.compare(n, set, post.text)
		}
	}
}

// compare compares text n with text i of the index. Two that are both indexed are
// compared once.
func (p *prober) compare(n int32, set []uint64, i int32) {
	other := p.texts[i]
	if n == other || !separated(p.in[n], p.in[other]) || p.in[n]&^training != 0 && n > other {
		return
	}
	theirs := p.setOf(i)
	if 5*len(set) < 4*len(theirs) || 5*len(theirs) < 4*len(set) {
		return
	}
	if j := jaccard(set, theirs); j >= Least {
		p.found = append(p.found, Pair{min(n, other), max(n, other), j})
	}
}

// A batch is texts on their way to a prober.
type batch struct {
	numbers []int32
	ends    []int
	texts   []byte
}

// probeAll runs all texts past the index.
func (x *index) probeAll(ctx context.Context, texts func(visit func(n int32, text []byte) error) error) ([]Pair, error) {
	const size = 1 << 18 // bytes of a batch
	probers := make([]prober, runtime.GOMAXPROCS(0))
	full := make(chan batch)
	var done sync.WaitGroup
	for i := range probers {
		p := &probers[i]
		p.index, p.seen = x, make([]int32, len(x.texts))
		done.Go(func() {
			for b := range full {
				start := 0
				for i, n := range b.numbers {
					p.probe(n, b.texts[start:b.ends[i]])
					start = b.ends[i]
				}
			}
		})
	}
	var b batch
	err := texts(func(n int32, text []byte) error {
		if x.in[n] == 0 {
			return ctx.Err()
		}
		b.numbers, b.texts = append(b.numbers, n), append(b.texts, text...)
		b.ends = append(b.ends, len(b.texts))
		if len(b.texts) > size {
			full <- b
			b = batch{}
		}
		return ctx.Err()
	})
	if err == nil {
		full <- b
	}
	close(full)
	done.Wait()
	var all []Pair
	for _, p := range probers {
		all = append(all, p.found...)
	}
	return all, err
}

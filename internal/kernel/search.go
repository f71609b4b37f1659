package kernel

import (
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// A Hit is a passage that a query was compared with.
type Hit struct {
	Score   float32 // their product
	Passage int32
}

// A Search finds the passages that have the largest products with each of some
// queries, exactly, without keeping the products: A·Bᵀ is computed block by
// block, and of each block only what reaches the worst of a query's best so far
// is looked at. Of equal products the smaller number of the passage is better.
// NaN is never found.
//
// It holds the queries once, packed or as they are, about ten megabytes of passages
// at a time, packed, and 8 bytes for each hit. It uses its pool, which must not do anything else
// meanwhile.
type Search struct {
	// Keep decides about a passage that would be a hit; nil keeps all. It is called
	// for different queries at the same time, in any order.
	Keep func(query int, passage int32) bool

	pool    *Pool
	n, d    int
	depth   int
	product product // of the queries and the passages at hand
	a, b    panels
	queries viewed // in the place of a, for a matrix engine

	passages int // at hand, without padding
	first    int32
	best     []uint64 // [n, depth]: of each query a heap of ranks, the worst on top
	found    []int32  // of each query
	room     chan []float32
	task     func(block int)
}

// NewSearch prepares to look for the depth best passages, at least one, of each
// of n queries [n, d].
func (p *Pool) NewSearch(n, d, depth int, queries []float32) *Search {
	return p.newSearch(current(), n, d, depth, queries)
}

func (p *Pool) newSearch(m micro, n, d, depth int, queries []float32) *Search {
	s := &Search{pool: p, n: n, d: d, depth: depth, best: make([]uint64, n*depth), found: make([]int32, n), room: make(chan []float32, p.threads)}
	s.product = product{micro: m, m: (n + m.rows - 1) / m.rows * m.rows, k: d, a: &s.a, b: &s.b, rooms: &p.rooms}
	if m.tiling == nil {
		p.pack(m, &s.a, view{queries, d, 1}, n, d, m.rows)
	} else {
		s.queries = viewed{m.tiling, view{slices.Clone(queries[:n*d]), d, 1}, n, d}
		s.product.fill = s.queries.fill
	}
	s.product.n = 1 // one block of columns at a time
	s.product.divide(p.threads)
	for d*s.product.columnBlock > searchNumbers && s.product.columnBlock > blockColumns {
		s.product.columnBlock /= 2
	}
	for range p.threads {
		s.room <- make([]float32, s.product.rowBlock*s.product.columnBlock)
	}
	s.task = s.block
	return s
}

// searchNumbers bounds the passages that are packed at a time, but for a block of
// them: few enough to stay in a cache that the processors share.
const searchNumbers = 1 << 21

// Add compares the queries with m passages [m, d], whose numbers count from
// first.
func (s *Search) Add(m int, first int32, passages []float32) {
	passages = passages[:m*s.d]
	if s.n == 0 || s.d == 0 {
		return
	}
	columns := s.product.columnBlock
	most := max(searchNumbers/s.d/columns, 1) * columns
	for lo := 0; lo < m; lo += most {
		s.passages, s.first = min(most, m-lo), first+int32(lo)
		s.pool.pack(s.product.micro, &s.b, view{passages[lo*s.d:], s.d, 1}, s.passages, s.d, s.product.columns)
		s.product.n = s.b.outer
		s.pool.Run(s.product.rowBlocks, s.task)
	}
}

// block compares some queries with the passages at hand.
func (s *Search) block(i int) {
	scores := <-s.room
	p := &s.product
	r0 := i * p.rowBlock
	for c0 := 0; c0 < p.n; c0 += p.columnBlock {
		rNext, cNext := r0, c0+p.columnBlock
		if cNext >= p.n {
			rNext, cNext = min(i+1, p.rowBlocks-1)*p.rowBlock, 0
		}
		p.region(r0, c0, rNext, cNext, window{scores, r0, c0, p.columnBlock}, nil) // panels are whole, so there is no edge
		s.sift(scores, r0, c0)
	}
	s.room <- scores
}

// sift looks for hits in the scores of a block.
func (s *Search) sift(scores []float32, r0, c0 int) {
	var masks [mostColumns / 64]uint64
	columns := min(s.product.columnBlock, s.passages-c0)
	words := (columns + 63) / 64
	for r := r0; r < min(r0+s.product.rowBlock, s.n); r++ {
		row := scores[(r-r0)*s.product.columnBlock:][:s.product.columnBlock]
		s.product.reach(&row[0], words, s.bound(r), &masks[0])
		for w, mask := range masks[:words] {
			for ; mask != 0; mask &= mask - 1 {
				c := 64*w + bits.TrailingZeros64(mask)
				if c >= columns { // padding, or a block before
					break
				}
				s.offer(r, row[c], s.first+int32(c0+c))
			}
		}
	}
}

// bound is what a score must reach to be among the best of a query.
func (s *Search) bound(query int) float32 {
	if int(s.found[query]) < s.depth {
		return float32(math.Inf(-1))
	}
	return rankScore(s.best[query*s.depth])
}

// offer makes a passage a hit, where it is one.
func (s *Search) offer(query int, score float32, passage int32) {
	heap := s.best[query*s.depth:][:s.depth]
	rank := rankOf(score, passage)
	full := int(s.found[query]) == s.depth
	if full && rank <= heap[0] || s.Keep != nil && !s.Keep(query, passage) {
		return
	}
	if full {
		siftDown(heap, rank)
		return
	}
	heap[s.found[query]] = rank
	s.found[query]++
	siftUp(heap[:s.found[query]])
}

// Best returns the hits of a query, the best first.
func (s *Search) Best(query int) []Hit {
	ranks := slices.Clone(s.best[query*s.depth:][:s.found[query]])
	slices.Sort(ranks)
	hits := make([]Hit, len(ranks))
	for i, rank := range ranks {
		hits[len(hits)-1-i] = Hit{rankScore(rank), int32(^uint32(rank))}
	}
	return hits
}

// rankOf is a number that is larger for a better hit: the score's bits, so that
// they are ordered as scores are, then those of the passage.
func rankOf(score float32, passage int32) uint64 {
	if score == 0 {
		score = 0 // for −0, which equals it
	}
	high := math.Float32bits(score)
	if high>>31 == 0 {
		high |= 1 << 31
	} else {
		high = ^high
	}
	return uint64(high)<<32 | uint64(^uint32(passage))
}

// rankScore is the score in a rank.
func rankScore(rank uint64) float32 {
	high := uint32(rank >> 32)
	if high>>31 == 1 {
		return math.Float32frombits(high &^ (1 << 31))
	}
	return math.Float32frombits(^high)
}

// siftUp restores the order of a heap whose last number is new.
func siftUp(heap []uint64) {
	at := len(heap) - 1
	for x := heap[at]; at > 0; {
		above := (at - 1) / 2
		if heap[above] <= x {
			break
		}
		heap[at], heap[above] = heap[above], x
		at = above
	}
}

// siftDown replaces the number on top of a heap.
func siftDown(heap []uint64, x uint64) {
	at := 0
	for {
		below := 2*at + 1
		if below >= len(heap) {
			break
		}
		if below+1 < len(heap) && heap[below+1] < heap[below] {
			below++
		}
		if heap[below] >= x {
			break
		}
		heap[at] = heap[below]
		at = below
	}
	heap[at] = x
}

// reachGeneric is reach for any machine.
func reachGeneric(scores *float32, n int, bound float32, masks *uint64) {
	x := unsafe.Slice(scores, 64*n)
	for i := range unsafe.Slice(masks, n) {
		mask := uint64(0)
		for j, score := range x[64*i : 64*i+64] {
			if score >= bound {
				mask |= 1 << j
			}
		}
		unsafe.Slice(masks, n)[i] = mask
	}
}

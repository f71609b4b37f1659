package tokenizer

import (
	"maps"
	"slices"
	"sort"
)

// A trie finds the tokens that a text begins with. Node 0 is the empty string.
// Nodes stand in the order of their depth, and then of their bytes, so the
// children of a node are neighbours.
type trie struct {
	first []uint32 // child of node n; those of n end where those of n+1 begin
	label []byte   // last byte of what node n stands for
	id    []int32  // of the token that node n is, or none
	roots [256]uint32
}

// newTrie holds tokens that are not empty.
func newTrie(tokens map[string]int32) trie {
	var t trie
	keys := slices.Sorted(maps.Keys(tokens))
	if len(keys) > 0 && keys[0] == "" {
		keys = keys[1:]
	}
	if len(keys) == 0 {
		return t
	}
	type span struct{ low, high, depth int } // of keys, that begin with what a node stands for
	nodes := []span{{0, len(keys), 0}}
	t.label = append(t.label, 0)
	for n := 0; n < len(nodes); n++ { // nodes grows
		s := nodes[n]
		id := int32(none)
		if key := keys[s.low]; len(key) == s.depth {
			id = tokens[key]
			s.low++
		}
		t.id = append(t.id, id)
		t.first = append(t.first, uint32(len(nodes)))
		for s.low < s.high {
			c := keys[s.low][s.depth]
			end := s.low + sort.Search(s.high-s.low, func(i int) bool { return keys[s.low+i][s.depth] > c })
			if n == 0 {
				t.roots[c] = uint32(len(nodes))
			}
			nodes = append(nodes, span{s.low, end, s.depth + 1})
			t.label = append(t.label, c)
			s.low = end
		}
	}
	t.first = append(t.first, uint32(len(nodes)))
	return t
}

func (t *trie) empty() bool { return len(t.id) == 0 }

// step goes from a node along a byte; 0 means that no token goes on so.
func (t *trie) step(node uint32, c byte) uint32 {
	if node == 0 {
		return t.roots[c]
	}
	low, high := t.first[node], t.first[node+1]
	for high-low > 8 {
		middle := (low + high) / 2
		if t.label[middle] <= c {
			low = middle
		} else {
			high = middle
		}
	}
	for ; low < high; low++ {
		if t.label[low] == c {
			return low
		}
	}
	return 0
}

// walk goes from the root along a string that is not empty; 0 means that no
// token begins so.
func (t *trie) walk(text string) (node uint32) {
	for i := range len(text) {
		if node = t.step(node, text[i]); node == 0 {
			return 0
		}
	}
	return node
}

// find returns the id of a token, or none.
func (t *trie) find(token string) int32 {
	if node := t.walk(token); node != 0 {
		return t.id[node]
	}
	return none
}

// longest finds the longest token whose rest behind a node a text begins with:
// its id, or none, and how many bytes of the text it is.
func (t *trie) longest(node uint32, text string) (id int32, n int) {
	id = none
	for i := range len(text) {
		if node = t.step(node, text[i]); node == 0 {
			break
		}
		if t.id[node] != none {
			id, n = t.id[node], i+1
		}
	}
	return id, n
}

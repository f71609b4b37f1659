package trainer

import "testing"

// TestTells: a gain is told by enough groups of each kind, whatever the pairs.
func TestTells(t *testing.T) {
	of := func(similar, dissimilar, pairs int) (s splitScores) {
		for group := range max(similar, dissimilar) {
			for range pairs {
				if group < similar {
					s.groups, s.positive = append(s.groups, int32(group)), append(s.positive, true)
				}
				if group < dissimilar {
					s.groups, s.positive = append(s.groups, int32(group)), append(s.positive, false)
				}
			}
		}
		return s
	}
	graded, asked := of(5, 10, 1), of(1, 1, 1)
	graded.graded = true
	asked.asked = counting(10)
	for _, test := range []struct {
		name   string
		s      splitScores
		figure string
		want   bool
	}{
		{"enough", of(10, 10, 1), byROCAUC, true},
		{"many pairs of few groups", of(9, 10, 100), byROCAUC, false},
		{"few dissimilar ones", of(100, 9, 1), byROCAUC, false},
		{"one kind", of(100, 0, 1), byROCAUC, false},
		{"none", splitScores{}, byROCAUC, false},
		{"grades", graded, bySpearman, true},
		{"queries", asked, byNDCG, true},
		{"no queries", of(100, 100, 1), byNDCG, false},
	} {
		if got := test.s.tells(test.figure); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

package projection

import (
	"slices"
	"testing"
)

// A cut projection makes the first numbers of what the whole one makes.
func TestCut(t *testing.T) {
	threshold := 0.5
	p := &Projection{In: 2, Out: 3, Matrix: []float32{1, 2, 3, 4, 5, 6}, MatrixRight: []float32{7, 8, 9, 10, 11, 12}, Offset: []float32{1, -1}}
	p.Metadata = Metadata{Model: "m", Side: SideDual, Threshold: &threshold, Calibration: &Calibration{1, 2}}
	cut, err := p.Cut(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := cut.Validate(); err != nil {
		t.Error(err)
	}
	x := []float32{0.5, 0.25, -3, 8}
	for side, of := range map[string]func(*Projection) *Projection{"left": (*Projection).Left, "right": (*Projection).Right} {
		whole, got := make([]float32, 6), make([]float32, 4)
		of(p).ApplyAll(whole, x, false, 1)
		of(cut).ApplyAll(got, x, false, 1)
		if want := []float32{whole[0], whole[1], whole[3], whole[4]}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", side, got, want)
		}
	}
	if m := cut.Metadata; m.Threshold != nil || m.Calibration != nil || m.Model != "m" || p.Metadata.Threshold == nil {
		t.Errorf("metadata %+v of the cut one, %+v of the whole", m, p.Metadata)
	}
	if whole, err := p.Cut(3); err != nil || whole != p {
		t.Errorf("all columns: %v, %v", whole, err)
	}
	for _, columns := range []int{0, 4, -1} {
		if _, err := p.Cut(columns); err == nil {
			t.Errorf("%d columns are no mistake", columns)
		}
	}
	p.Metadata.Side, p.MatrixRight = SideQuery, nil
	if _, err := p.Cut(2); err == nil {
		t.Error("a matrix for queries is cut")
	}
}

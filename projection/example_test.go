package projection_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/cosfit/cosfit/projection"
)

// A service loads the matrix once and projects each embedding.
func Example() {
	p, err := projection.Load("testdata/plain.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	embedding := []float32{0.5, 0.5, -0.5, 0.5} // from the model, p.In numbers
	customised := make([]float32, p.Out)
	p.Apply(customised, embedding, true)
	fmt.Printf("%d → %d: %.3f\n", p.In, p.Out, customised)
	// Output: 4 → 3: [-0.894 -0.447 0.000]
}

// A matrix from anywhere becomes a file that Python, Go and others read.
func ExampleProjection_WriteSafetensors() {
	p := &projection.Projection{
		Matrix: []float32{
			1, 0,
			0, 1,
			1, 1,
		},
		In:  3,
		Out: 2,
		Metadata: projection.Metadata{
			Model:     "text-embedding-3-small",
			Side:      projection.SideBoth,
			Threshold: new(0.82),
		},
	}
	var file bytes.Buffer
	if err := p.WriteSafetensors(&file); err != nil {
		log.Fatal(err)
	}
	back, err := projection.ReadSafetensors(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.In, back.Out, back.Metadata.Model, *back.Metadata.Threshold)
	// Output: 3 2 text-embedding-3-small 0.82
}

// After a dual run queries and passages go through different matrices.
func ExampleProjection_Right() {
	p, err := projection.Load("testdata/both.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	query, passage := []float32{1, 0, 0, 0}, []float32{0, 1, 0, 0}
	y := make([]float32, p.Out)
	p.Left().Apply(y, query, true)
	fmt.Printf("%.2f\n", y)
	if right := p.Right(); right != nil { // nil: passages stay as they are
		right.Apply(y, passage, true)
		fmt.Printf("%.2f\n", y)
	}
	// Output:
	// [-0.54 -0.58 -0.61]
	// [0.52 0.58 0.63]
}

//go:build gpu && linux

package nvidia

import "testing"

// BenchmarkLaunch is what the binding itself costs.
func BenchmarkLaunch(b *testing.B) {
	d := must(stub(b, "-DQUIET").openDriver())(b)
	c := must(must(d.Device(0))(b).Retain())(b)
	s := must(c.NewStream())(b)
	f := must(must(c.LoadModule([]byte{1, 0}))(b).Function("kernel"))(b)
	a := new(Arguments)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Launch(f, Dim{X: 1}, Dim{X: 1}, 0, a.Reset().Pointer(1).Int32(2).Float32(3).Uint64(4)); err != nil {
			b.Fatal(err)
		}
	}
}

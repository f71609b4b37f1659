package loader

// A Repeat is what may be odd about a pair.
type Repeat uint8

// The kinds of Repeat.
const (
	Again        Repeat = iota // the same two texts came before, with the same label
	Contradicted               // they came before with another label
	OneText                    // it has the same text on both sides
)

// Repeats visits the pairs that come again, or have one text.
func (d *Dataset) Repeats(visit func(pair int, what Repeat)) {
	first := d.firstRows()
	labels := make(map[[2]int32]float32, d.Pairs.Len())
	for i, l := range d.Pairs.Label {
		key := [2]int32{first(d.Pairs.Left[i]), first(d.Pairs.Right[i])}
		if key[0] == key[1] {
			visit(i, OneText)
		}
		switch before, again := labels[key]; {
		case !again:
			labels[key] = l
		case before == l:
			visit(i, Again)
		default:
			visit(i, Contradicted)
		}
	}
}

// firstRows returns what maps the row of a text to its first, where it has two.
func (d *Dataset) firstRows() func(row int32) int32 {
	second := map[int32]int32{}
	for _, s := range d.sameTexts() {
		second[s[1]] = s[0]
	}
	return func(row int32) int32 {
		if first, ok := second[row]; ok {
			return first
		}
		return row
	}
}

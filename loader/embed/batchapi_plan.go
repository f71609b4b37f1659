package embed

import (
	"context"
	"errors"
	"io/fs"
)

// PlanBatches is Plan for RunBatches: texts that are under way, by what the folder
// dir knows, are neither cached nor missing, and Requests are batches. Nothing is
// sent.
func PlanBatches(ctx context.Context, p *OpenAI, store Store, texts Texts, o Options, dir string) (Estimate, error) {
	pending := pending{Store: store, ids: map[string]struct{}{}}
	folder := batchFolder{dir: dir}
	if err := folder.load(p.Space(), p.endpoint.base); err != nil {
		return Estimate{}, err
	}
	for _, j := range folder.state.Jobs {
		err := folder.eachRequest(p, j, func(t Text) error {
			pending.ids[t.ID] = struct{}{}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // collected by another process meanwhile
			return Estimate{}, err
		}
	}
	e, bytes, err := plan(ctx, p, &pending, texts, o)
	if err != nil || e.Missing+pending.found == 0 {
		return e, err
	}
	e.Underway = pending.found
	e.Cached -= pending.found
	const overhead = 250 // bytes of a line beside its text
	most := within(o.Texts, batchTexts, batchTexts)
	e.Requests = max(ceil(e.Missing, most), ceil(int(bytes)+overhead*e.Missing, batchBytes))
	if o.Tokens > 0 {
		e.Requests = max(e.Requests, ceil(int(e.Tokens), o.Tokens))
	}
	const day = 24 * 60 * 60
	e.Seconds = day * float64(max(1, ceil(e.Requests, max(1, within(o.Concurrency, 4, 0)))))
	return e, nil
}

func ceil(n, d int) int { return (n + d - 1) / d }

// A pending store counts the texts that are under way as not missing.
type pending struct {
	Store
	ids   map[string]struct{}
	found int
}

func (p *pending) Missing(ids []string) ([]string, error) {
	missing, err := p.Store.Missing(ids)
	left := missing[:0]
	for _, id := range missing {
		if _, under := p.ids[id]; under {
			p.found++
			continue
		}
		left = append(left, id)
	}
	return left, err
}

// BatchesUnderway counts the batches that a folder knows of, and their texts.
func BatchesUnderway(dir string) (batches, texts int, err error) {
	state, _, err := readStateFile(dir)
	for _, j := range state.Jobs {
		batches++
		texts += j.Texts
	}
	return batches, texts, err
}

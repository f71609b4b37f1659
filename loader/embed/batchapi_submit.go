package embed

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// resume takes over the batches that earlier runs left. One that was asked for is
// looked for, and one that was not is forgotten: its texts are handed in again.
func (r *batchRun) resume() error {
	for _, j := range slices.Clone(r.folder.state.Jobs) {
		err := r.folder.eachRequest(r.p, j, func(t Text) error {
			r.underway[t.ID] = j
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) { // somebody gave it up
			if err := r.folder.remove(j); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if j.BatchID != "" {
			j.status = "submitted" // until it is looked at
			continue
		}
		found := false
		if !j.Asked.IsZero() {
			if found, err = r.find(j); err != nil {
				return err
			}
		}
		if !found {
			if err := r.forget(j); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops a job that there is no batch of. Its file goes too, so that a batch
// that comes up all the same has nothing to work on.
func (r *batchRun) forget(j *job) error {
	r.deleteInput(j)
	r.takeBack(j)
	return r.folder.remove(j)
}

// takeBack no longer counts the texts of a job as under way.
func (r *batchRun) takeBack(j *job) {
	for id, of := range r.underway {
		if of == j {
			delete(r.underway, id)
		}
	}
	r.taken++
}

// deleteInput removes a job's file at the server, where nobody needs it any more.
// If that fails it only takes up room there.
func (r *batchRun) deleteInput(j *job) {
	if j.FileID != "" {
		_ = r.p.deleteFile(r.sending, j.FileID)
	}
}

// survey counts the texts, and those that the store has, and sees which batches
// have some of the others.
func (r *batchRun) survey(texts Texts) error {
	return r.blocks(texts, func(block []Text) error {
		missing, err := r.lacking(block)
		r.summary.Texts += len(block)
		for _, t := range block {
			if !missing[t.ID] {
				r.summary.Cached++
				r.summary.CachedTokens += int64(EstimateTokens(t.Text))
			} else if j := r.underway[t.ID]; j != nil {
				j.wanted = true
			}
		}
		return err
	})
}

// pass hands in the texts that are missing and not under way.
func (r *batchRun) pass(texts Texts) error {
	end := r.blocks(texts, r.passBlock)
	if _, over := errors.AsType[*CostError](end); end != nil && !over {
		return end
	}
	if err := r.submit(); err != nil {
		return err
	}
	return end
}

func (r *batchRun) passBlock(block []Text) error {
	missing, err := r.lacking(block)
	taken := r.taken
	for i, t := range block {
		if err == nil && taken != r.taken { // answers came in while a place was waited for
			missing, err = r.lacking(block[i:])
			taken = r.taken
		}
		if err != nil {
			return err
		}
		_, bad := r.passed[t.ID]
		if missing[t.ID] && r.underway[t.ID] == nil && !bad {
			err = r.add(t)
		}
	}
	return errors.Join(err, r.halted())
}

// blocks goes through the texts in blocks, in each of which a text is once.
func (r *batchRun) blocks(texts Texts, visit func([]Text) error) error {
	block := make([]Text, 0, 16*blockTexts)
	seen := make(map[string]struct{}, cap(block))
	for t, err := range texts {
		if err != nil {
			return err
		}
		if _, twice := seen[t.ID]; twice {
			continue
		}
		seen[t.ID] = struct{}{}
		if block = append(block, t); len(block) == cap(block) {
			if err := visit(block); err != nil {
				return err
			}
			block = block[:0]
			clear(seen)
		}
	}
	return visit(block)
}

// lacking are the ids of the texts that the store lacks.
func (r *batchRun) lacking(texts []Text) (map[string]bool, error) {
	ids, err := r.store.Missing(batch{texts: texts}.ids())
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	return missing, err
}

// An openJob is a job whose file is being written.
type openJob struct {
	*job
	file  *atomicfile.File
	w     *bufio.Writer
	bytes int64
}

// add puts a text into the open job, after the one that is full was handed in.
func (r *batchRun) add(t Text) error {
	tokens := r.count(t.Text)
	if why := r.tooLong(tokens); why != "" {
		r.passed[t.ID] = struct{}{}
		return r.bad(t, why)
	}
	line, err := r.p.requestLine(t)
	if err != nil {
		return err
	}
	if r.full(tokens, len(line)) {
		if err := r.submit(); err != nil {
			return err
		}
	}
	if err := r.afford(tokens); err != nil {
		return err
	}
	if r.open == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	if _, err := r.open.w.Write(line); err != nil {
		return err
	}
	r.open.Texts++
	r.open.Tokens += int64(tokens)
	r.open.bytes += int64(len(line))
	r.underway[t.ID] = r.open.job
	return nil
}

// full tells whether the open job has no room for one more text.
func (r *batchRun) full(tokens, bytes int) bool {
	o, most := r.open, r.most
	return o != nil && (o.Texts >= most.texts || o.bytes+int64(bytes) > most.bytes || most.tokens > 0 && o.Tokens+int64(tokens) > most.tokens)
}

// afford says whether one more text stays within the limit on the cost. What is
// under way counts in full.
func (r *batchRun) afford(tokens int) error {
	if r.MaxCost == 0 {
		return nil
	}
	reserved := int64(0)
	for _, j := range r.folder.state.Jobs {
		reserved += j.Tokens
	}
	if r.open != nil {
		reserved += r.open.Tokens
	}
	spent := r.dollars(r.folder.state.Spent) + r.dollars(reserved)*r.correction()
	next := r.dollars(int64(tokens)) * r.correction()
	if spent+next > r.MaxCost {
		return &CostError{Spent: spent, Next: next, Max: r.MaxCost}
	}
	return nil
}

// begin opens a job once there is a place for it.
func (r *batchRun) begin() error {
	free := func() bool { return len(r.folder.state.Jobs) < r.most.jobs }
	if r.b.NoWait && !free() {
		return errLater
	}
	if err := r.await(free); err != nil {
		return err
	}
	j := &job{Token: strings.ToLower(rand.Text()), wanted: true}
	file, err := atomicfile.Create(r.folder.requests(j))
	if err != nil {
		return err
	}
	r.open = &openJob{job: j, file: file, w: bufio.NewWriter(file)}
	return nil
}

// abandon drops the open job.
func (r *batchRun) abandon() {
	if r.open != nil {
		r.open.file.Abort()
		r.open = nil
	}
}

// submit hands in the open job. It is on the disk before the server hears of it.
func (r *batchRun) submit() error {
	o := r.open
	if o == nil {
		return nil
	}
	if err := o.w.Flush(); err != nil {
		return err
	}
	r.open = nil
	if err := o.file.Commit(r.folder.requests(o.job)); err != nil {
		return err
	}
	r.folder.state.Jobs = append(r.folder.state.Jobs, o.job)
	if err := r.folder.save(); err != nil {
		return err
	}
	r.summary.Requests++
	err := r.start(o.job)
	if err != nil && r.halted() == nil && o.Asked.IsZero() {
		err = errors.Join(err, r.forget(o.job))
	}
	r.tell()
	return err
}

// start brings a job to where the server has its batch. Before the batch is asked
// for, the state says so; once it is there, the state says which it is.
func (r *batchRun) start(j *job) error {
	return r.patiently(func() error {
		if j.FileID == "" {
			if err := r.upload(j); err != nil {
				return err
			}
		}
		j.Asked = time.Now().UTC().Round(0)
		if err := r.folder.save(); err != nil {
			return err
		}
		id, err := r.p.createBatch(r.sending, j.FileID, j.Token)
		if err == nil {
			return r.adopt(j, id)
		}
		if r.sending.Err() != nil {
			return err
		}
		if _, unclear := errors.AsType[*RetryError](err); !unclear {
			j.Asked = time.Time{}
			if _, rejected := errors.AsType[*RejectedError](err); rejected && strings.Contains(strings.ToLower(err.Error()), "pending") {
				err = &RetryError{Err: err} // Azure wants to look at the file first
			}
			return errors.Join(err, r.folder.save())
		}
		if found, notFound := r.find(j); found || notFound != nil {
			return notFound
		}
		r.deleteInput(j)
		j.FileID, j.Asked = "", time.Time{}
		return errors.Join(err, r.folder.save())
	})
}

func (r *batchRun) upload(j *job) (err error) {
	if j.FileID, err = r.p.uploadFile(r.halt, r.folder.requests(j), "cosfit-"+j.Token+requestsFile); err != nil {
		return err
	}
	return r.folder.save()
}

// adopt notes which batch is a job's.
func (r *batchRun) adopt(j *job, id string) error {
	j.BatchID, j.status = id, "validating"
	return r.folder.save()
}

// find looks for the batch of a job that was asked for by a request without an
// answer. A server may take some time to list it, or to hear of it, so a batch
// counts as not there only a while after it was asked for.
func (r *batchRun) find(j *job) (found bool, err error) {
	const dayBefore = -24 * time.Hour // clocks differ
	for {
		late := time.Since(j.Asked) > 4*r.b.Poll
		var all []string
		err := r.patiently(func() error {
			batches, err := r.p.findBatches(r.halt, j.Token, j.FileID, j.Asked.Add(dayBefore))
			all = nil
			for _, b := range batches {
				if b.Status != "failed" || len(batches) == 1 {
					all = append(all, b.ID)
				}
			}
			return err
		})
		if err != nil {
			return false, err
		}
		if len(all) > 0 {
			for _, id := range all[:len(all)-1] { // the oldest is the furthest
				if err := r.p.cancelBatch(r.sending, id); errors.Is(err, context.Canceled) {
					return false, err
				}
			}
			return true, r.adopt(j, all[len(all)-1])
		}
		if late {
			return false, nil
		}
		if err := sleep(r.halt, r.b.Poll); err != nil {
			return false, err
		}
	}
}

// lostError says that a server no longer has what was paid for, and how to go on.
func (r *batchRun) lostError(j *job, err error) error {
	return fmt.Errorf("%w: batch %s with %d texts is not there: does the key belong to the account that has it? To give it up and buy its texts again, remove %s",
		err, j.BatchID, j.Texts, r.folder.requests(j))
}

package embed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"time"

	openai "github.com/sashabaranov/go-openai"
)

// The requests of the batch API: files and batches. go-openai builds them and
// reads what is small. Files pass through here piece by piece: they are too large
// for memory, where go-openai would hold an upload twice.

// batchEndpoint is where the requests of a batch go.
const batchEndpoint = openai.BatchEndpointEmbeddings

// A notFoundError says that a server does not know a batch or a file.
type notFoundError struct{ error }

func (e *notFoundError) Unwrap() error { return e.error }

// call makes a request that answers with a small object. found tells a request
// for something by its id, of which a server may not know, from one to a part of
// the API, which a server may not have.
func (p *OpenAI) call(ctx context.Context, x *exchange, found bool, send func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	return p.explainCall(ctx, x, found, send(context.WithValue(limited, exchangeKey{}, x)))
}

// explainCall turns what became of a request to the batch API into an error. A
// success that cannot be read may have had its effect.
func (p *OpenAI) explainCall(ctx context.Context, x *exchange, found bool, err error) error {
	switch {
	case err == nil && x.err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case x.status == http.StatusOK && x.err == nil:
		x.err = fmt.Errorf("the answer is not what it should be: %w", err)
	case x.status == http.StatusNotFound, x.status == http.StatusMethodNotAllowed, x.status == http.StatusNotImplemented:
		message, _ := p.failureOf(err)
		err := fmt.Errorf("%s: HTTP %d: %s", p.endpoint.host, x.status, message)
		if found {
			return &notFoundError{err}
		}
		return fmt.Errorf("%w: this server has no batch API; embed without it", err)
	}
	return p.explain(x, err)
}

// withID wants an answer to say what was made.
func withID(what, id string, err error) error {
	if err == nil && id == "" {
		return fmt.Errorf("the answer has no id of the %s", what)
	}
	return err
}

// uploadFile sends a file of requests and returns what the server calls it. It
// may take as long as something moves.
func (p *OpenAI) uploadFile(ctx context.Context, path, name string) (id string, err error) {
	u, err := newUpload(path, name)
	if err != nil {
		return "", err
	}
	defer u.file.Close()
	w := watchOver(ctx, p.o.Timeout)
	defer w.stop()
	u.watch = w
	x := &exchange{upload: u}
	file, err := p.client.CreateFileBytes(context.WithValue(w.ctx, exchangeKey{}, x), openai.FileBytesRequest{Name: name, Purpose: openai.PurposeBatch})
	if err = withID("file", file.ID, err); err != nil && w.stalled() {
		err = fmt.Errorf("nothing moved for %s", p.o.Timeout)
	}
	return file.ID, p.explainCall(ctx, x, false, err)
}

// createBatch asks for a batch, which is what costs. After an error that is a
// RetryError there may be one all the same.
func (p *OpenAI) createBatch(ctx context.Context, fileID, token string) (id string, err error) {
	x := &exchange{}
	err = p.call(ctx, x, false, func(ctx context.Context) error {
		b, err := p.client.CreateBatch(ctx, openai.CreateBatchRequest{
			InputFileID: fileID, Endpoint: batchEndpoint, CompletionWindow: "24h",
			Metadata: map[string]any{batchTokenKey: token},
		})
		id = b.ID
		return withID("batch", id, err)
	})
	return id, err
}

// batchTokenKey is the name under which a batch's metadata have what we call it.
const batchTokenKey = "cosfit"

// findBatches lists the batches that a token or a file was given to, of those
// that were made after a time, newest first.
func (p *OpenAI) findBatches(ctx context.Context, token, fileID string, since time.Time) (found []openai.Batch, err error) {
	const page = 100
	limit, after := page, (*string)(nil)
	for {
		var list openai.ListBatchResponse
		err := p.call(ctx, &exchange{}, false, func(ctx context.Context) (err error) {
			list, err = p.client.ListBatch(ctx, after, &limit)
			return err
		})
		if err != nil {
			return nil, err
		}
		older := false
		for _, b := range list.Data {
			if b.Metadata[batchTokenKey] == token || b.InputFileID == fileID {
				found = append(found, b)
			}
			older = b.CreatedAt > 0 && int64(b.CreatedAt) < since.Unix()
		}
		if older || !list.HasMore || len(list.Data) == 0 {
			return found, nil
		}
		after = &list.Data[len(list.Data)-1].ID
	}
}

// batch asks how far a batch is.
func (p *OpenAI) batch(ctx context.Context, id string) (b openai.Batch, err error) {
	err = p.call(ctx, &exchange{}, true, func(ctx context.Context) error {
		r, err := p.client.RetrieveBatch(ctx, id)
		b = r.Batch
		return withID("batch", b.ID, err)
	})
	return b, err
}

// cancelBatch ends a batch.
func (p *OpenAI) cancelBatch(ctx context.Context, id string) error {
	return p.call(ctx, &exchange{}, true, func(ctx context.Context) error {
		_, err := p.client.CancelBatch(ctx, id)
		return err
	})
}

// deleteFile removes a file at the server.
func (p *OpenAI) deleteFile(ctx context.Context, id string) error {
	return p.call(ctx, &exchange{}, true, func(ctx context.Context) error { return p.client.DeleteFile(ctx, id) })
}

// download reads a file line by line. A line is valid during the call. Its own
// errors are RetryErrors where the connection broke, and those of each are
// returned as they are.
func (p *OpenAI) download(ctx context.Context, id string, each func(line []byte) error) error {
	w := watchOver(ctx, p.o.Timeout)
	defer w.stop()
	x := &exchange{}
	content, err := p.client.GetFileContent(context.WithValue(w.ctx, exchangeKey{}, x), id)
	if err == nil && x.err == nil {
		defer content.Close()
		var own error
		if err, own = readLines(w.reader(content), mostOfLine, each); own != nil {
			return own
		}
	}
	if err != nil && w.stalled() {
		err = fmt.Errorf("nothing moved for %s", p.o.Timeout)
	}
	return p.explainCall(ctx, x, true, err)
}

// mostOfLine is how long a line of an output may be: 16,384 numbers take a third
// of it.
const mostOfLine = 1 << 20

// readLines passes on the lines that are not empty. err is that of reading, and
// own that of each.
func readLines(r io.Reader, most int, each func(line []byte) error) (err, own error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var long []byte // a line that is longer than the reader's buffer
	for n := 1; ; {
		piece, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(long) > 0 {
			if long = append(long, piece...); len(long) > most {
				return fmt.Errorf("line %d has over %d bytes", n, most), nil
			}
			piece = long
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("the file breaks off in line %d: %w", n, err), nil
		}
		if line := bytes.TrimSpace(piece); len(line) > 0 {
			if own := each(line); own != nil {
				return nil, own
			}
		}
		if err != nil {
			return nil, nil
		}
		long = long[:0]
		n++
	}
}

// An upload is the body of a request that sends a file.
type upload struct {
	file          *os.File
	size          int64
	before, after []byte // of the form that the file is a part of
	kind          string // Content-Type
	watch         *watch
}

func newUpload(path, name string) (*upload, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	err := w.WriteField("purpose", string(openai.PurposeBatch))
	if err == nil {
		_, err = w.CreateFormFile("file", name)
	}
	if err != nil {
		return nil, err
	}
	u := &upload{before: bytes.Clone(form.Bytes()), kind: w.FormDataContentType()}
	form.Reset()
	if err := w.Close(); err != nil {
		return nil, err
	}
	u.after = form.Bytes()
	if u.file, err = os.Open(path); err != nil {
		return nil, err
	}
	info, err := u.file.Stat()
	if err != nil {
		u.file.Close()
		return nil, err
	}
	u.size = info.Size()
	return u, nil
}

// replace gives a request this body.
func (u *upload) replace(r *http.Request) {
	content := io.NewSectionReader(u.file, 0, u.size)
	body := u.watch.reader(io.MultiReader(bytes.NewReader(u.before), content, bytes.NewReader(u.after)))
	r.Body, r.GetBody = io.NopCloser(body), nil
	r.ContentLength = int64(len(u.before)) + u.size + int64(len(u.after))
	r.Header.Set("Content-Type", u.kind)
}

// A watch ends a transfer in which nothing moves, however long it takes as a
// whole.
type watch struct {
	ctx   context.Context
	stop  func()
	timer *time.Timer
	most  time.Duration
}

var errStalled = errors.New("nothing moves")

func watchOver(ctx context.Context, most time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, most: most}
	w.timer = time.AfterFunc(most, func() { cancel(errStalled) })
	w.stop = func() {
		w.timer.Stop()
		cancel(nil)
	}
	return w
}

func (w *watch) stalled() bool { return errors.Is(context.Cause(w.ctx), errStalled) }

// reader reads from r and notes that something moves.
func (w *watch) reader(r io.Reader) io.Reader { return &watchedReader{r, w} }

type watchedReader struct {
	r io.Reader
	w *watch
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.w.timer.Reset(r.w.most)
	return n, err
}

package prepare

import "context"

// A Source reads one form of data.
type Source interface {
	// Read adds what the source has to a draft, in the source's order, which is
	// the same each time. Rows that are no good go to Draft.Reject. Its errors
	// name the file and what to do.
	Read(ctx context.Context, d *Draft) error
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader/embed"
)

func requestFlags() []cli.Flag {
	const category = "REQUESTS"
	count := func(name, usage, standard string) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	money := func(name, usage, standard string) cli.Flag {
		return &cli.Float64Flag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	return []cli.Flag{
		count("batch", "texts in a request", "128, or less where the server takes less; exec and static 4096; with --batch-api 50000"),
		count("batch-tokens", "tokens in a request", "what the server takes"),
		count("concurrency", "requests at once", "4; exec 1"),
		count("requests-per-minute", "at most", "what the server says that it allows"),
		count("tokens-per-minute", "at most", "what the server says that it allows"),
		&cli.IntFlag{Name: "retries", Value: 5, Usage: "of a request that failed", Category: category},
		&cli.BoolFlag{Name: "skip-bad", Usage: "go on after a text that cannot be embedded, and list it at the end", Category: category},
		money("price", "US dollars for a million tokens, of which --batch-api takes half", "OpenAI's list price of "+embed.PriceDate+" for its models, else unknown"),
		money("max-cost", "US dollars that the run may cost", "any"),
	}
}

// runOptions reads the flags of requests.
func runOptions(c *cli.Context, e embedder) (embed.Options, error) {
	o := embed.Options{
		Texts: e.batch, Concurrency: e.atOnce, CountTokens: e.count, Price: e.price,
		Retries: c.Int("retries"), SkipBad: c.Bool("skip-bad"), MaxCost: c.Float64("max-cost"),
	}
	for name, to := range map[string]*int{
		"batch": &o.Texts, "batch-tokens": &o.Tokens, "concurrency": &o.Concurrency,
		"requests-per-minute": &o.Rate.Requests, "tokens-per-minute": &o.Rate.Tokens,
	} {
		if !c.IsSet(name) {
			continue
		}
		if *to = c.Int(name); *to < 1 || *to > math.MaxInt32 {
			return o, usage("--%s is %d, want 1 or more", name, *to)
		}
	}
	switch {
	case o.Retries < 0:
		return o, usage("--retries is %d, want 0 or more", o.Retries)
	case o.Retries == 0:
		o.Retries = -1 // none
	}
	if c.IsSet("price") {
		o.Price = c.Float64("price")
	}
	for _, name := range []string{"price", "max-cost"} {
		if v := c.Float64(name); !(v >= 0) || math.IsInf(v, 0) || name == "max-cost" && c.IsSet(name) && v == 0 {
			return o, usage("--%s is %g, want US dollars", name, v)
		}
	}
	if c.Bool("batch-api") {
		o.Price *= embed.BatchDiscount
	}
	if o.MaxCost > 0 && o.Price == 0 {
		return o, usage("--max-cost needs a price, and that of %s is unknown: give it with --price, in US dollars for a million tokens", e.Space().Model)
	}
	return o, nil
}

// describePlan puts what a run would do into a line.
func describePlan(e embed.Estimate, o embed.Options, free, batches bool) string {
	text := fmt.Sprintf("%s texts, %s in the cache", humanize.Comma(int64(e.Texts)), humanize.Comma(int64(e.Cached)))
	if e.Underway > 0 {
		text += fmt.Sprintf(", %s under way at the provider", humanize.Comma(int64(e.Underway)))
	}
	if e.Missing == 0 {
		return text + ", nothing to embed"
	}
	about := "about "
	if e.Exact {
		about = ""
	}
	text += fmt.Sprintf(", %s to embed", humanize.Comma(int64(e.Missing)))
	if free && o.Price == 0 {
		return text
	}
	text += fmt.Sprintf(": %s%s tokens", about, humanize.Comma(e.Tokens))
	if o.Price == 0 {
		text += " at an unknown price (--price sets one)"
	} else {
		text += fmt.Sprintf(" for %s%s at $%g a million", about, dollars(e.Cost), o.Price)
	}
	if batches {
		if o.Price > 0 {
			text += fmt.Sprintf(", half of $%g", o.Price/embed.BatchDiscount)
		}
		return text + fmt.Sprintf(", in %s of up to a day each", plural(e.Requests, "batch", "batches"))
	}
	return text + fmt.Sprintf(", in about %s", roughly(e.Seconds))
}

// dollars shows small sums as well.
func dollars(sum float64) string {
	switch {
	case sum > 0 && sum < 0.0001:
		return "less than $0.0001"
	case sum < 1:
		return fmt.Sprintf("$%.4f", sum)
	}
	return fmt.Sprintf("$%.2f", sum)
}

// roughly is a time that is not known well.
func roughly(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d < 90*time.Second:
		return fmt.Sprintf("%.0f s", math.Max(1, math.Ceil(seconds)))
	case d < 90*time.Minute:
		return fmt.Sprintf("%.0f minutes", math.Ceil(d.Minutes()))
	default:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
}

// describeRun puts what a run did into a line.
func describeRun(s embed.Summary, price bool) string {
	text := fmt.Sprintf("%s embedded", humanize.Comma(int64(s.Embedded)))
	if s.Embedded > 0 {
		normalized := "not normalised"
		if s.Normalized {
			normalized = "normalised"
		}
		took := fmt.Sprintf("%.1f s", s.Seconds)
		if s.Seconds > 600 {
			took = "about " + roughly(s.Seconds)
		}
		text += fmt.Sprintf(" in %s, %d dimensions, %s", took, s.Dimensions, normalized)
	}
	text += fmt.Sprintf("; %s were in the cache", humanize.Comma(int64(s.Cached)))
	if price {
		text += fmt.Sprintf("; paid %s for %s tokens", dollars(s.Cost), humanize.Comma(s.Tokens+s.LostTokens))
		if s.LostTokens > 0 {
			text += fmt.Sprintf(", %s of them for answers that were lost", humanize.Comma(s.LostTokens))
		}
		text += fmt.Sprintf("; the cache saved about %s", dollars(s.Saved))
	}
	if len(s.Batches) > 0 {
		text += "; " + describeUnderway(s)
	}
	return text
}

// explainRun adds to what ended a run what is kept and what can be done.
func explainRun(err error, s embed.Summary) error {
	kept := fmt.Sprintf("%s texts are embedded and kept, and the same command goes on from there", humanize.Comma(int64(s.Embedded+s.Cached)))
	if len(s.Batches) > 0 {
		kept = fmt.Sprintf("%s texts are embedded and kept; %s", humanize.Comma(int64(s.Embedded+s.Cached)), describeUnderway(s))
	}
	if s.Cost > 0 {
		kept += "; this run cost " + dollars(s.Cost)
	}
	var bad *embed.BadTextError
	var cost *embed.CostError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %s", kept) // it is what there is to say, so it wraps nothing
	case errors.As(err, &bad):
		return fmt.Errorf("%w: take it out of the data, or pass over such texts with --skip-bad; %s", err, kept)
	case errors.As(err, &cost):
		return fmt.Errorf("--max-cost: %w; %s", err, kept)
	case s.Embedded > 0 || s.Cost > 0 || len(s.Batches) > 0:
		return fmt.Errorf("%w; %s", err, kept)
	}
	return err
}

// listBad names the texts that were passed over.
func listBad(w io.Writer, bad []embed.BadText) {
	const most = 10
	for i, b := range bad {
		if i == most {
			fmt.Fprintf(w, "… and %d more; --json lists them all\n", len(bad)-most)
			return
		}
		fmt.Fprintf(w, "not embedded: %s\n", oneLine(b.String()))
	}
}

// An embedProgress shows how far a run is: a bar on a terminal, a line now and
// then elsewhere.
type embedProgress struct {
	w     io.Writer
	total int
	bar   *rowBar
	next  time.Time // of a line; zero means none
	state string    // of batches, as the last line said
}

// newEmbedProgress shows nothing but a bar where quiet.
func newEmbedProgress(w io.Writer, total int, quiet bool) *embedProgress {
	p := &embedProgress{w: w, total: total, bar: newRowBar(w, isTerminal(w), int64(total), "text")}
	if !quiet && !isTerminal(w) {
		p.next = time.Now().Add(lineEvery)
	}
	return p
}

// lineEvery is the time between lines.
const lineEvery = 10 * time.Second

func (p *embedProgress) show(s embed.Summary) {
	p.bar.show(int64(s.Embedded))
	if now := time.Now(); !p.next.IsZero() && now.After(p.next) {
		p.next = now.Add(lineEvery)
		fmt.Fprintf(p.w, "%s of %s texts embedded, %.0f a second\n", humanize.Comma(int64(s.Embedded)), humanize.Comma(int64(p.total)), float64(s.Embedded)/s.Seconds)
	}
}

func (p *embedProgress) stop() { p.bar.stop() }

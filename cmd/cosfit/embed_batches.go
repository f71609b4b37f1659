package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
)

func batchFlags() []cli.Flag {
	const category = "BATCH API (provider openai)"
	return []cli.Flag{
		&cli.BoolFlag{Name: "batch-api", Usage: "hand the texts in by batches, which are answered within a day at half the price; --batch and --batch-tokens are those of a batch then, and --concurrency the batches at once", Category: category},
		&cli.BoolFlag{Name: "no-wait", Usage: "collect what is answered, hand in what is missing, and end; a later run collects the rest", Category: category},
		&cli.DurationFlag{Name: "poll", Usage: "time between two looks at the batches at first, which grows while nothing happens", DefaultText: "15s", Category: category},
	}
}

// checkBatchFlags wants the flags of the batch API to go together.
func checkBatchFlags(c *cli.Context) error {
	if !c.Bool("batch-api") {
		for _, name := range []string{"no-wait", "poll"} {
			if c.IsSet(name) {
				return usage("--%s goes with --batch-api", name)
			}
		}
		return nil
	}
	if p := c.String("provider"); p != "openai" {
		return usage("--batch-api goes with --provider openai, not %s", p)
	}
	for _, name := range []string{"requests-per-minute", "tokens-per-minute"} {
		if c.IsSet(name) {
			return usage("--%s does not go with --batch-api, which has no limits of a minute", name)
		}
	}
	if c.IsSet("poll") && c.Duration("poll") < time.Millisecond {
		return usage("--poll is %s, want at least 1ms", c.Duration("poll"))
	}
	return nil
}

// planOf says what runOf would do.
func planOf(c *cli.Context, e embedder, store *cache.Store, texts embed.Texts, o embed.Options, batches string) (embed.Estimate, error) {
	if p, ok := e.Provider.(*embed.OpenAI); ok && c.Bool("batch-api") {
		return embed.PlanBatches(c.Context, p, store, texts, o, batches)
	}
	return embed.Plan(c.Context, e, store, texts, o)
}

// runOf embeds the texts, through the batch API where that is asked for.
func runOf(c *cli.Context, e embedder, store *cache.Store, texts embed.Texts, o embed.Options, batches string, bar *embedProgress) (embed.Summary, error) {
	p, ok := e.Provider.(*embed.OpenAI)
	if !ok || !c.Bool("batch-api") {
		if n, texts, err := embed.BatchesUnderway(batches); err == nil && n > 0 {
			fmt.Fprintf(c.App.ErrWriter, "warning: %s with %s texts are under way at the batch API, and are bought a second time now where they are of this data: --batch-api collects them\n",
				plural(n, "batch", "batches"), humanize.Comma(int64(texts)))
		}
		o.Progress = bar.show
		return embed.Run(c.Context, e, store, texts, o)
	}
	o.Progress = bar.showBatches
	return embed.RunBatches(c.Context, p, store, texts, o, embed.BatchOptions{
		Dir: batches, NoWait: c.Bool("no-wait"), Poll: c.Duration("poll"), Trouble: bar.trouble,
	})
}

// describeUnderway says which batches are left, and what they will cost.
func describeUnderway(s embed.Summary) string {
	return fmt.Sprintf("%s with %s texts are under way at the provider and go on by themselves: run the same command again to collect them",
		plural(len(s.Batches), "batch", "batches"), humanize.Comma(int64(s.Underway())))
}

// placeOf says where a store's vectors are, if it has any.
func placeOf(store *cache.Store) string {
	if dir := store.Dir(); dir != "" {
		return "; in " + dir
	}
	return ""
}

// plural is a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// showBatches tells of batches: at once where one of them gets on, and off a
// terminal now and then how many answers there are.
func (p *embedProgress) showBatches(s embed.Summary) {
	answered := 0
	var states []string
	for _, b := range s.Batches {
		answered += b.Answered
		states = append(states, b.Status)
	}
	p.bar.show(int64(s.Embedded + answered))
	now, state := time.Now(), describeStates(states)
	due := !p.next.IsZero() && now.After(p.next)
	if state == p.state && !due {
		return
	}
	if p.state = state; due {
		p.next = now.Add(lineEvery)
	}
	text := fmt.Sprintf("%s of %s texts embedded%s", humanize.Comma(int64(s.Embedded)), humanize.Comma(int64(p.total)), state)
	if answered > 0 {
		text += fmt.Sprintf(", with %s answers", humanize.Comma(int64(answered)))
	}
	fmt.Fprintln(p.lines(), text)
}

// lines is where lines go: above the bar on a terminal.
func (p *embedProgress) lines() io.Writer {
	switch {
	case p.bar.bars != nil:
		return p.bar.bars
	case p.next.IsZero():
		return io.Discard
	}
	return p.w
}

// describeStates counts batches by what the server says of them.
func describeStates(states []string) (text string) {
	slices.Sort(states)
	for len(states) > 0 {
		n := 1
		for n < len(states) && states[n] == states[0] {
			n++
		}
		text += ", " + plural(n, "batch", "batches") + " " + oneLine(states[0])
		states = states[n:]
	}
	return text
}

// trouble tells what is tried again later.
func (p *embedProgress) trouble(err error) {
	fmt.Fprintf(p.lines(), "%s; it is tried again\n", oneLine(err.Error()))
}

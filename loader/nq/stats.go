package nq

// Stats describe what was read.
type Stats struct {
	Questions  int64 // rows with an answer
	Unanswered int64 // rows in which no answer is marked
	Blank      int64 // rows whose answer has no text, such as a table of pictures
	Short      int64 // questions whose page has no passage that is long enough
	Cut        int   // texts that had too many tokens

	Lengths  Distribution // characters of each candidate with text, on the pages of the questions
	Passages Distribution // such candidates of each question
	Long     Distribution // those that are long enough, of each question
	Pool     Distribution // those that hard negatives are chosen from, of each question
}

// Thresholds are the lengths in characters whose shares the notebook looks at.
func Thresholds() []int { return []int{75, 80, 85, 90, 95, 100, 300, 500, 1000, 3000, 6000} }

func (s *Stats) count(q *question) {
	s.Questions++
	for _, n := range q.lengths {
		s.Lengths.Add(n)
	}
	s.Passages.Add(len(q.lengths))
	s.Long.Add(q.kept)
	s.Pool.Add(len(q.hard))
	if q.kept == 0 {
		s.Short++
	}
}

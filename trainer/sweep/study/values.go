package study

import (
	"database/sql"
	"math"
)

// What a database keeps beside a number that may not be finite.
const (
	finite           = "FINITE"
	positiveInfinity = "INF_POS"
	negativeInfinity = "INF_NEG"
	notANumber       = "NAN" // of reports alone
)

// stored is a number as Optuna stores it: null and its kind, or itself.
func stored(x float64) (value sql.NullFloat64, kind string) {
	switch {
	case math.IsNaN(x):
		return value, notANumber
	case math.IsInf(x, 1):
		return value, positiveInfinity
	case math.IsInf(x, -1):
		return value, negativeInfinity
	}
	return sql.NullFloat64{Float64: x, Valid: true}, finite
}

// number reverses stored. What is neither is not a number.
func number(value sql.NullFloat64, kind string) float64 {
	switch {
	case kind == positiveInfinity:
		return math.Inf(1)
	case kind == negativeInfinity:
		return math.Inf(-1)
	case kind == finite && value.Valid:
		return value.Float64
	}
	return math.NaN()
}

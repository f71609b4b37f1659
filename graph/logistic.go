package graph

import (
	"fmt"
	"math"
)

// Logistic is the cross entropy of a logistic regression on the cosine:
//
//	L = mean log(1 + e^z) − t·z,   z = scale·(s − threshold)
//
// with the label t on the scale 0..1. Pairs that are far on the right side of
// the threshold hardly count. Source: Zhai et al. 2023 (SigLIP), without its
// other pairs of the batch, and with the bias as −scale·threshold.
type Logistic struct {
	Scale     float64 `json:"scale"`
	Threshold float64 `json:"threshold"`
	// Learn lets a training learn both, as the logarithm of the scale and as the
	// threshold, on the CPU.
	Learn bool `json:"learn,omitempty"`
}

var (
	_ DeviceLoss = Logistic{}
	_ FittedLoss = Logistic{}
)

// Name returns "logistic".
func (Logistic) Name() string { return "logistic" }

// Evaluate is the formula, with the derivative scale·(σ(z) − t).
func (l Logistic) Evaluate(b Scored, gradient []float32) float64 {
	sum, n := 0.0, float64(len(b.Cosines))
	for i, s := range b.Cosines {
		t, z := b.Target(i), l.Scale*(float64(s)-l.Threshold)
		sum += softplus(z) - t*z
		gradient[i] = float32(l.Scale * (sigmoid(z) - t) / n)
	}
	return sum / n
}

// Parameters are log scale and threshold, where they are learned.
func (l Logistic) Parameters() []float32 {
	if !l.Learn {
		return nil
	}
	return []float32{float32(math.Log(l.Scale)), float32(l.Threshold)}
}

// At fixes them.
func (l Logistic) At(parameters []float32) Objective {
	return Logistic{Scale: math.Exp(float64(parameters[0])), Threshold: float64(parameters[1])}
}

// EvaluateAt is Evaluate for other parameters.
func (l Logistic) EvaluateAt(b Scored, parameters, gradient, byParameters []float32) float64 {
	at := l.At(parameters).(Logistic)
	value := at.Evaluate(b, gradient)
	// dL/dz is the derivative by the cosine over the scale.
	var byLogScale, byThreshold float64
	for i, g := range gradient {
		byLogScale += float64(g) * (float64(b.Cosines[i]) - at.Threshold)
		byThreshold -= float64(g)
	}
	byParameters[0], byParameters[1] = float32(byLogScale), float32(byThreshold)
	return value
}

// softplus is log(1 + e^z).
func softplus(z float64) float64 { return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) }

// sigmoid is 1/(1 + e^−z), the derivative of softplus.
func sigmoid(z float64) float64 {
	if z < 0 {
		e := math.Exp(z)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-z))
}

// cudaSoftplus has both for a GPU.
const cudaSoftplus = `
__device__ float softplus(float z) { return (z > 0 ? z : 0) + log1pf(expf(-fabsf(z))); }
__device__ float sigmoid(float z) { float e = expf(-fabsf(z)); return (z < 0 ? e : 1) / (1 + e); }
`

// CUDA is Evaluate for a GPU.
func (l Logistic) CUDA() string {
	return cudaSoftplus + fmt.Sprintf(`
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0;
	each(i, b.n) {
		float t = target(b, i), z = %s * (b.s[i] - %s);
		sum += softplus(z) - t * z;
		ds[i] = %[1]s * (sigmoid(z) - t) / b.n;
	}
	sum = block_sum(sum);
	*mean = sum / b.n;
}`, cudaFloat(l.Scale), cudaFloat(l.Threshold))
}

// cudaFloat is a setting as a constant of CUDA C.
func cudaFloat(v float64) string { return fmt.Sprintf("float(%.17g)", v) }

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
	// threshold.
	Learn bool `json:"learn,omitempty"`
}

var (
	_ DeviceLoss = Logistic{}
	_ FittedLoss = Logistic{}
	_ Learner    = (*Logistic)(nil)
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

// SetLearn sets Learn.
func (l *Logistic) SetLearn(learn bool) { l.Learn = learn }

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

// CUDA is Evaluate for a GPU, or EvaluateAt where the parameters are learned.
func (l Logistic) CUDA() string {
	scale, threshold, derivatives := cudaFloat(l.Scale), cudaFloat(l.Threshold), ""
	if l.Learn {
		scale, threshold, derivatives = "expf(b.theta[0])", "b.theta[1]", `
	double by_log_scale = 0, by_threshold = 0;
	each(i, b.n) {
		by_log_scale += double(ds[i]) * (b.s[i] - threshold);
		by_threshold -= ds[i];
	}
	b.dtheta[0] = block_sum(by_log_scale);
	b.dtheta[1] = block_sum(by_threshold);`
	}
	return cudaSoftplus + fmt.Sprintf(`
__device__ void loss(scored b, float *ds, float *mean) {
	float scale = %s, threshold = %s, sum = 0;
	each(i, b.n) {
		float t = target(b, i), z = scale * (b.s[i] - threshold);
		sum += (1 - t) * softplus(z) + t * softplus(-z);  // and not softplus(z) - t * z, which cancels
		ds[i] = scale * ((1 - t) * sigmoid(z) - t * sigmoid(-z)) / b.n;
	}
	sum = block_sum(sum);
	*mean = sum / b.n;%s
}`, scale, threshold, derivatives)
}

// cudaFloat is a setting as a constant of CUDA C.
func cudaFloat(v float64) string { return fmt.Sprintf("float(%.17g)", v) }

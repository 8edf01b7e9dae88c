// The optimiser step on flat buffers. The formulas are those of the host (step.rs, adamw.rs).
#pragma once
#include "sums.cuh"

// Moments below this magnitude become zero, as on the CPU.
constexpr float SETTLED = 1e-30f;
__device__ __forceinline__ float settled(float moment) { return fabsf(moment) < SETTLED ? 0.0f : moment; }

// sums[b]: sum of squares of the values that block b takes.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_squares(const float* g, long long len, double* sums) {
    double sum = 0.0;
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) sum += (double)g[i] * (double)g[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// SGD with momentum; zeroes the gradient and moves the average.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_sgd(float* w, float* g, float* v, float* ema, long long len, float clip, float weight_decay, float momentum, int nesterov, float lr, float ema_decay) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) {
        const float gradient = g[i] * clip + weight_decay * w[i];
        const float moved = momentum * v[i] + gradient;
        const float step = nesterov ? gradient + momentum * moved : moved;
        const float value = w[i] - lr * step;
        w[i] = value;
        v[i] = settled(moved);
        g[i] = 0.0f;
        ema[i] = ema[i] * ema_decay + value * (1.0f - ema_decay);
    }
}

// ema = decay * ema + (1 - decay) * w.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_average(float* ema, const float* w, long long len, float decay) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) ema[i] = ema[i] * decay + w[i] * (1.0f - decay);
}

// The average of frozen parameters: once it equals the value, it stays exactly equal.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_average_frozen(float* ema, const float* w, long long len, float decay) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) ema[i] = ema[i] + (w[i] - ema[i]) * (1.0f - decay);
}

// g = g * clip + pull.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pull(float* g, const float* pull, long long len, float clip) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) g[i] = g[i] * clip + pull[i];
}

// g = g * clip + strength * sign(w), with sign(0) = 0; without the second term where the mark is 0.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pull_signs(float* g, const float* w, const float* marks, long long len, float clip, float strength) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) {
        const float sign = w[i] == 0.0f || marks[i] == 0.0f ? 0.0f : w[i] != w[i] ? w[i] : copysignf(1.0f, w[i]);
        g[i] = g[i] * clip + strength * sign;
    }
}

// Factors of AdamW; the same as AdamFactors in adamw.rs.
struct AdamFactors {
    float keep, take1, beta2, take2, root, eps, rate;
};

// AdamW; zeroes the gradient and moves the average.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_adamw(float* w, float* g, float* v, float* s, float* ema, long long len, float clip, AdamFactors f, float ema_decay) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) {
        const float gradient = g[i] * clip;
        const float first = v[i] + (gradient - v[i]) * f.take1;
        const float second = s[i] * f.beta2 + gradient * gradient * f.take2;
        const float value = w[i] * f.keep - f.rate * first / (sqrtf(second) * f.root + f.eps);
        w[i] = value;
        v[i] = settled(first);
        s[i] = settled(second);
        g[i] = 0.0f;
        ema[i] = ema[i] * ema_decay + value * (1.0f - ema_decay);
    }
}

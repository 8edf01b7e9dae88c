// Max-pooling and nearest-neighbour upsampling, both ways. One thread computes one value, in the order of the CPU.
#pragma once
#include "values.cuh"

// Maximum under the window; `taps` (or null) receives the number of the tap that held it.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_max_pool(Rows x, Rows y, unsigned char* taps, Window s) {
    for (size_t i = first_value(); i < (size_t)s.n * s.oh * s.ow * s.oc; i += value_step()) {
        const int c = (int)(i % s.oc);
        const size_t p = i / s.oc;
        const int ox = (int)(p % s.ow), oy = (int)(p / s.ow % s.oh), image = (int)(p / s.ow / s.oh);
        float best = 0.0f;
        int tap = -1;
        for (int ky = 0; ky < s.kh; ky++) {
            for (int kx = 0; kx < s.kw; kx++) {
                const int iy = oy * s.sh + ky - s.ph, ix = ox * s.sw + kx - s.pw;
                if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;
                const float v = x.load(x.place(((size_t)image * s.ih + iy) * s.iw + ix, c));
                // Starts from the first pixel, so that a window of only minus infinities has a valid tap.
                if (tap < 0 || v > best || v != v) {
                    best = v;
                    tap = ky * s.kw + kx;
                }
            }
        }
        y.store(y.place(p, c), best);
        if (taps) taps[p * s.oc + c] = (unsigned char)tap;
    }
}

// For every input pixel and channel, `add(sum, q, tap, c)` adds what output pixel q that reads it through this tap gives.
template <class F> __device__ void gather_gradient(Rows dx, int accumulate, const Window& s, F add) {
    for (size_t i = first_value(); i < (size_t)s.n * s.ih * s.iw * s.ic; i += value_step()) {
        const int c = (int)(i % s.ic);
        const size_t p = i / s.ic;
        const int ix = (int)(p % s.iw) + s.pw, iy = (int)(p / s.iw % s.ih) + s.ph;
        const size_t rows = p / s.iw / s.ih * s.oh;  // of earlier images
        float sum = 0.0f;
        for (int ky = 0; ky < s.kh; ky++) {
            const int y = iy - ky;
            if (y < 0 || y % s.sh || y / s.sh >= s.oh) continue;
            for (int kx = 0; kx < s.kw; kx++) {
                const int x = ix - kx;
                if (x < 0 || x % s.sw || x / s.sw >= s.ow) continue;
                const size_t q = (rows + y / s.sh) * s.ow + x / s.sw;
                sum = add(sum, q, ky * s.kw + kx, c);
            }
        }
        dx.put(dx.place(p, c), sum, accumulate);
    }
}

// Passes dy to the pixels that were maxima.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_max_pool_gradient(Rows dy, const unsigned char* taps, Rows dx, int accumulate, Window s) {
    gather_gradient(dx, accumulate, s, [&](float sum, size_t q, int tap, int c) {
        return taps[q * s.ic + c] == tap ? sum + dy.load(dy.place(q, c)) : sum;
    });
}

// Repeats each pixel factor x factor times; `w` is the width of x.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_upsample(Rows x, Rows y, int pixels, int w, int channels, int factor) {
    const size_t all = (size_t)pixels * factor * factor * channels;
    for (size_t i = first_value(); i < all; i += value_step()) {
        const int c = (int)(i % channels);
        const size_t p = i / channels, wide = (size_t)w * factor;
        // Rows of all images are upsampled alike, so the index of the image does not matter.
        y.store(y.place(p, c), x.load(x.place(p / wide / factor * w + p % wide / factor, c)));
    }
}

// Sums dy over the copies of each pixel.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_upsample_gradient(Rows dy, Rows dx, int pixels, int w, int channels, int factor, int accumulate) {
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) {
        const int c = (int)(i % channels);
        const size_t p = i / channels, wide = (size_t)w * factor;
        const size_t first = p / w * factor * wide + p % w * factor;
        float sum = dy.load(dy.place(first, c));
        for (int copy = 1; copy < factor * factor; copy++) sum += dy.load(dy.place(first + copy / factor * wide + copy % factor, c));
        dx.put(dx.place(p, c), sum, accumulate);
    }
}

// A tile of a matrix product C = A B, which all convolutions are: a block computes BM x BN values of C, BK values of the
// common dimension at a time, in f32 or on tensor cores in TF32.
#pragma once
#include "values.cuh"
#include "mma.cuh"

constexpr int BK = 16;
// Place of a value that a window reads beyond the image; it counts as zero.
constexpr size_t OUTSIDE = ~(size_t)0;
// Values of C in a block; each thread keeps 16 of them.
constexpr int VALUES = THREADS * 16;

// Loads 4 neighbouring values, from k on, of rows 0..ROWS of a matrix whose rows lie along the common dimension.
template <int ROWS> struct AlongK {
    // Four more values a row: the lanes that read one fragment then use 32 different banks.
    using Memory = float[ROWS][BK + 4];
    static constexpr int LOADS = (ROWS * BK / 4 + THREADS - 1) / THREADS;
    float4 held[LOADS];
    static __device__ int row(int load) { return (load * THREADS + threadIdx.x) / (BK / 4); }
    static __device__ int k() { return threadIdx.x % (BK / 4) * 4; }
    static __device__ float at(const Memory& memory, int k, int row) { return memory[row][k]; }
    // `from(load, row, k)` returns the values.
    template <class From> __device__ void load(From from) {
        _Pragma("unroll") for (int i = 0; i < LOADS; i++) {
            if (row(i) < ROWS) held[i] = from(i, row(i), k());
        }
    }
    template <class Round> __device__ void store(Memory& to, Round round) const {
        _Pragma("unroll") for (int i = 0; i < LOADS; i++) {
            if (row(i) < ROWS) store4(&to[row(i)][k()], map4(held[i], round));
        }
    }
};

// Loads 4 neighbouring values of a row, for a matrix whose rows lie across the common dimension.
template <int WIDTH> struct AcrossK {
    // Eight more values a row, for the same reason.
    using Memory = float[BK][WIDTH + 8];
    static constexpr int QUADS = WIDTH / 4;
    static constexpr int LOADS = (QUADS * BK + THREADS - 1) / THREADS;
    float4 held[LOADS];
    static __device__ int k(int load) { return (load * THREADS + threadIdx.x) / QUADS; }
    static __device__ int column(int load) { return (load * THREADS + threadIdx.x) % QUADS * 4; }
    static __device__ float at(const Memory& memory, int k, int column) { return memory[k][column]; }
    // `from(k, column)` returns the values.
    template <class From> __device__ void load(From from) {
        _Pragma("unroll") for (int i = 0; i < LOADS; i++) {
            if (k(i) < BK) held[i] = from(k(i), column(i));
        }
    }
    template <class Round> __device__ void store(Memory& to, Round round) const {
        _Pragma("unroll") for (int i = 0; i < LOADS; i++) {
            if (k(i) < BK) store4(&to[k(i)][column(i)], map4(held[i], round));
        }
    }
};

// The values of C that a thread keeps, in f32: rows and columns in equal steps.
template <int BM, int BN, bool TF32> struct Accumulator {
    static constexpr int ACROSS = BN / 4, DOWN = THREADS / ACROSS;
    static_assert(BM == DOWN * 4);
    float c[4][4] = {};
    static __device__ int row(int i) { return threadIdx.x / ACROSS + i * DOWN; }
    static __device__ int column(int j) { return threadIdx.x % ACROSS + j * ACROSS; }
    static __device__ float round(float v, int) { return v; }
    template <class A, class B> __device__ void multiply(const typename A::Memory& a, const typename B::Memory& b) {
        for (int k = 0; k < BK; k++) {
            float as[4], bs[4];
            _Pragma("unroll") for (int i = 0; i < 4; i++) as[i] = A::at(a, k, row(i));
            _Pragma("unroll") for (int j = 0; j < 4; j++) bs[j] = B::at(b, k, column(j));
            _Pragma("unroll") for (int i = 0; i < 4; i++) {
                _Pragma("unroll") for (int j = 0; j < 4; j++) c[i][j] = fmaf(as[i], bs[j], c[i][j]);
            }
        }
    }
    // Calls f(row, column, value) for each value.
    template <class F> __device__ void each(F f) const {
        _Pragma("unroll") for (int i = 0; i < 4; i++) {
            _Pragma("unroll") for (int j = 0; j < 4; j++) f(row(i), column(j), c[i][j]);
        }
    }
};

// The values of C that a thread keeps, as fragments of its warp's tile.
template <int BM, int BN> struct Accumulator<BM, BN, true> {
    // A warp's tile has 512 values.
    static constexpr int WN = BN < 32 ? BN : 32, WM = 512 / WN, ACROSS = BN / WN, MI = WM / 16, NI = WN / 8;
    static_assert(BM / WM * ACROSS == THREADS / 32);
    float c[MI][NI][4] = {};
    static __device__ int group() { return threadIdx.x % 32 / 4; }
    static __device__ int part() { return threadIdx.x % 4; }
    static __device__ int first_row() { return threadIdx.x / 32 / ACROSS * WM; }
    static __device__ int first_column() { return threadIdx.x / 32 % ACROSS * WN; }
    static __device__ float round(float v, int) { return to_tf32(v); }
    template <class A, class B> __device__ void multiply(const typename A::Memory& a, const typename B::Memory& b) {
        for (int k = 0; k < BK; k += 8) {
            float as[MI][4], bs[NI][2];
            _Pragma("unroll") for (int i = 0; i < MI; i++) {
                _Pragma("unroll") for (int r = 0; r < 4; r++) as[i][r] = A::at(a, k + part() + r / 2 * 4, first_row() + i * 16 + group() + r % 2 * 8);
            }
            _Pragma("unroll") for (int j = 0; j < NI; j++) {
                _Pragma("unroll") for (int r = 0; r < 2; r++) bs[j][r] = B::at(b, k + part() + r * 4, first_column() + j * 8 + group());
            }
            _Pragma("unroll") for (int i = 0; i < MI; i++) {
                _Pragma("unroll") for (int j = 0; j < NI; j++) mma(c[i][j], as[i], bs[j]);
            }
        }
    }
    template <class F> __device__ void each(F f) const {
        _Pragma("unroll") for (int i = 0; i < MI; i++) {
            _Pragma("unroll") for (int j = 0; j < NI; j++) {
                _Pragma("unroll") for (int r = 0; r < 4; r++) f(first_row() + i * 16 + group() + r / 2 * 8, first_column() + j * 8 + part() * 2 + r % 2, c[i][j][r]);
            }
        }
    }
};

// A block's product. `load(k)` fetches the values from k on into `a` and `b`; the loads of a round run while the round
// before is multiplied.
template <int BM, int BN, bool TF32, class A, class B> struct Product {
    A a;
    B b;
    Accumulator<BM, BN, TF32> sum;
    template <class Load> __device__ void run(int first, int last, Load load) {
        // Four values are stored at once.
        alignas(16) __shared__ typename A::Memory shared_a;
        alignas(16) __shared__ typename B::Memory shared_b;
        if (first < last) load(first);
        for (int k = first; k < last; k += BK) {
            a.store(shared_a, sum.round);
            b.store(shared_b, sum.round);
            __syncthreads();
            if (k + BK < last) load(k + BK);
            sum.template multiply<A, B>(shared_a, shared_b);
            __syncthreads();
        }
    }
};

// Defines six variants of a kernel: 16, 32 or 64 columns for the number of channels, in f32 and in TF32.
// KERNEL(name, columns, TF32) defines one.
#define BONSAI_VARIANTS(KERNEL) \
    KERNEL(16, 16, false)       \
    KERNEL(32, 32, false)       \
    KERNEL(64, 64, false)       \
    KERNEL(16_tf32, 16, true)   \
    KERNEL(32_tf32, 32, true)   \
    KERNEL(64_tf32, 64, true)

//! [`Product`]: batched products of `f32` matrices, as work on a stream. Plain sums take the place of cuBLAS.

use crate::Handle;
use crate::memory::Memory;

/// A batch of matrices in column-major order.
#[derive(Clone, Copy)]
pub(crate) struct Matrices {
    pub(crate) at: Handle,
    pub(crate) transposed: bool,
    /// Elements between columns, as stored.
    pub(crate) pitch: usize,
    /// Elements between matrices.
    pub(crate) stride: usize,
}

impl Matrices {
    /// Ends the process unless `batch` matrices of stored size `rows` x `columns` are in one live block.
    fn check(&self, memory: &Memory, [rows, columns, batch]: [usize; 3], purpose: &str) {
        if rows > 0 && columns > 0 && batch > 0 {
            let elements = (columns - 1) * self.pitch + rows + self.stride * (batch - 1);
            memory.check(self.at, elements * size_of::<f32>(), purpose);
        }
    }

    /// Element of row `i` and column `j` after transposition.
    ///
    /// # Safety
    /// The element must be in a live block.
    unsafe fn get(&self, batch: usize, i: usize, j: usize) -> f32 {
        let (row, column) = if self.transposed { (j, i) } else { (i, j) };
        unsafe { *(self.at as *const f32).add(batch * self.stride + column * self.pitch + row) }
    }
}

/// `c = alpha a b + beta c` for a batch of matrices.
pub(crate) struct Product {
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) a: Matrices,
    pub(crate) b: Matrices,
    pub(crate) c: Matrices,
    /// Rows of `c`, columns of `c`, columns of `a`.
    pub(crate) size: [usize; 3],
    pub(crate) batch: usize,
}

impl Product {
    /// Ends the process unless all three batches are in live blocks.
    pub(crate) fn check(&self, memory: &Memory) {
        let [m, n, k] = self.size;
        let stored = |matrices: &Matrices, rows, columns| {
            if matrices.transposed { [columns, rows, self.batch] } else { [rows, columns, self.batch] }
        };
        self.a.check(memory, stored(&self.a, m, k), "left side of a product");
        self.b.check(memory, stored(&self.b, k, n), "right side of a product");
        self.c.check(memory, stored(&self.c, m, n), "result of a product");
    }

    pub(crate) fn run(self, memory: &Memory) {
        self.check(memory);
        let [m, n, k] = self.size;
        let mut column = vec![0.0f32; m];
        for batch in 0..self.batch {
            for j in 0..n {
                column.fill(0.0);
                for p in 0..k {
                    // SAFETY: all elements of the three batches were checked just now.
                    let factor = unsafe { self.b.get(batch, p, j) };
                    for (i, sum) in column.iter_mut().enumerate() {
                        *sum += unsafe { self.a.get(batch, i, p) } * factor;
                    }
                }
                for (i, sum) in column.iter().enumerate() {
                    let at = batch * self.c.stride + j * self.c.pitch + i;
                    // SAFETY: as above. With a beta of 0, `c` may hold anything.
                    unsafe {
                        let result = (self.c.at as *mut f32).add(at);
                        let old = if self.beta == 0.0 { 0.0 } else { self.beta * *result };
                        *result = self.alpha * sum + old;
                    }
                }
            }
        }
    }
}

// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/cpu/row_products.hpp>
#include <prefer/backend/matrix_product.hpp>

#include <cstdint>

// matrix_product on the CPU (contract: backend/matrix_product.hpp). A task has a panel of rows of the answer. For some
// k at a time it converts its part of the left side, which stays in a cache, and strip after strip of the right side,
// one lane wide, which stays in the first; as many sums as there are registers for stay in those.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int product_panel = 64, product_depth = 128;

template <class Left, class Right, class T>
struct product_job {
  const Left* left;
  const Right* right;
  const matrix_product_shape<T>* shape;
  std::int64_t first, last;  // panels
};

template <class Left, class Right, class T>
struct product_work {
  using job = product_job<Left, Right, T>;

  struct buffers {
    alignas(64) T left[product_depth][product_panel];
    alignas(64) T right[product_depth][64 / sizeof(T)];
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& j) {
    using V = lane<T, Level>;
    const matrix_product_shape<T>& s = *j.shape;
    buffers b;
    for (std::int64_t panel = j.first * product_panel; panel < smaller(j.last * product_panel, s.rows);
         panel += product_panel) {
      const int rows = static_cast<int>(smaller(product_panel, s.rows - panel));
      if (s.inner == 0) clear(s, panel, rows);
      for (std::int64_t from = 0; from < s.inner; from += product_depth) {
        const int depth = static_cast<int>(smaller(product_depth, s.inner - from));
        for (int k = 0; k < depth; ++k) {
          j.left->fill(from + k, panel, rows, b.left[k], isa_of<Level>);
          for (int i = rows; i < product_panel; ++i) b.left[k][i] = T(0);
        }
        for (std::int64_t column = s.symmetric ? panel : 0; column < s.columns; column += V::width) {
          const int columns = static_cast<int>(smaller(V::width, s.columns - column));
          for (int k = 0; k < depth; ++k) {
            j.right->fill(from + k, column, columns, b.right[k], isa_of<Level>);
            for (int i = columns; i < V::width; ++i) b.right[k][i] = T(0);
          }
          strip<Level>(b, depth, rows, columns, s.out + panel * s.columns + column, s.columns, from == 0);
        }
      }
    }
  }
  static void clear(const matrix_product_shape<T>& s, std::int64_t panel, int rows) {
    for (std::int64_t e = panel * s.columns; e < (panel + rows) * s.columns; ++e) s.out[e] = T(0);
  }

  template <class Level>
  static inline __attribute__((always_inline)) void strip(const buffers& b, int depth, int rows, int columns, T* out,
                                                          std::int64_t step, bool first) {
    using V = lane<T, Level>;
    constexpr int at_once = product_rows<T, Level>;
    for (int i = 0; i < rows; i += at_once) {
      V sum[at_once];
      unrolled<at_once>([&](int r) PREFER_HD_LAMBDA { sum[r] = V(0); });
      for (int k = 0; k < depth; ++k) {
        const V x = V::load(b.right[k]);
        unrolled<at_once>([&](int r) PREFER_HD_LAMBDA { sum[r] = math::fma(V(b.left[k][i + r]), x, sum[r]); });
      }
      alignas(64) T row[at_once][V::width];
      unrolled<at_once>([&](int r) PREFER_HD_LAMBDA { sum[r].store(row[r]); });
      for (int r = 0; r < at_once && i + r < rows; ++r) {
        T* const to = out + (i + r) * step;
        for (int c = 0; c < columns; ++c) to[c] = first ? row[r][c] : to[c] + row[r][c];
      }
    }
  }
};

}  // namespace detail

template <class Left, class Right, class T>
status matrix_product(const cpu& exec, const Left& left, const Right& right, const matrix_product_shape<T>& s) {
  isa level;
  if (const status st = resolve_isa(exec, level); !st.ok()) return st;
  const std::int64_t panels = (s.rows + detail::product_panel - 1) / detail::product_panel;
  // A task's work is that of its products, not of its elements.
  const std::int64_t work = s.rows * s.columns * (s.inner / 8 + 1);
  detail::for_blocks(exec, panels, work, [&](std::int64_t first, std::int64_t last) {
    detail::product_job<Left, Right, T> job{&left, &right, &s, first, last};
    detail::run_at<detail::product_work<Left, Right, T>>(level, job);
  });
  if (!s.symmetric) return {};
  detail::for_blocks(exec, panels, s.rows * s.columns, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first * detail::product_panel; i < detail::smaller(last * detail::product_panel, s.rows); ++i)
      for (std::int64_t j = 0; j < i / detail::product_panel * detail::product_panel; ++j)
        s.out[i * s.columns + j] = s.out[j * s.columns + i];
  });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer

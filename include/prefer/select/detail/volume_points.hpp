// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/exclusive_volume.hpp>
#include <prefer/select/objectives.hpp>

#include <cstdint>

// The samples of a call that measures volumes, as both backends see them: all objectives maximised, and which samples
// count.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct volume_table {
  objective_table points;
  const void* reference = nullptr;
  element type = element::none;
  std::int64_t group_stride = 0, objective_stride = 0;
  bool must_bound = false;

  PREFER_HD double low(std::int64_t b, int k) const {
    const double x = load_element<double>(reference, type, b * group_stride + k * objective_stride);
    return points.minimizes(k) ? -x : x;
  }
  // Whether a reference can be measured from.
  PREFER_HD int first_bad_low(std::int64_t b) const {
    for (int k = 0; k < points.count; ++k)
      if (!math::is_finite(low(b, k))) return k;
    return -1;
  }
  // Feasible, and not left out.
  PREFER_HD bool may_count(std::int64_t s) const { return points.in_mask(s) && !(points.violation_of(s) > 0); }
  // The first objective in which a sample does not exceed the reference, -1 if it does in all.
  PREFER_HD int first_short(const group_rows& g, std::int64_t b, std::int64_t i) const {
    for (int k = 0; k < points.count; ++k)
      if (!(points.key_at<double>(g, i, k) > low(b, k))) return k;
    return -1;
  }
};

template <space S>
status make_volume_table(const objectives& o, const objective_samples<S>& samples, const input_view<1, S>& reference,
                         const input_view<2, S>& group_reference, bool must_bound, volume_table& t) {
  if (const status s = make_objective_table(o, samples, t.points); !s.ok()) return s;
  const auto unused = [](const char* name, const char* why) { return require::fail(errc::unused_input, name, why); };
  if (t.points.stepped) return unused("tolerances", "to be left out: a volume has no steps");
  if (o.dominance != dominance::pareto) return unused("dominance", "pareto, the only one that a volume has");
  if (o.duplicates != duplicates::keep) return unused("duplicates", "keep: equal samples cover the same volume");
  if (reference.given() == group_reference.given())
    return reference.given()
               ? unused("group_reference", "to be left out, since there is a reference")
               : require::fail(errc::missing_input, "reference", "the point that volumes are measured from, [K]");
  const std::int64_t k = t.points.count;
  const status shape = reference.given()
                           ? require::vector("reference", reference, k, "the number of objectives,",
                                             require::holds::numbers)
                           : require::matrix("group_reference", group_reference, t.points.groups, k);
  if (!shape.ok()) return shape;
  t.reference = reference.given() ? reference.data : group_reference.data;
  t.type = reference.given() ? reference.type : group_reference.type;
  t.group_stride = reference.given() ? 0 : group_reference.stride[0];
  t.objective_stride = reference.given() ? reference.stride[0] : group_reference.stride[1];
  t.must_bound = must_bound;
  return {};
}

// A matrix with a row per sample.
struct sample_plane {
  void* data = nullptr;
  std::int64_t stride[2] = {};
  element type = element::none;

  PREFER_HD void write(std::int64_t s, int k, double x) const {
    if (data != nullptr) store_element(data, type, s * stride[0] + k * stride[1], x, false);
  }
};

template <space S>
sample_plane sample_plane_of(const output_view<2, S>& v) {
  return v.given() ? sample_plane{v.data, {v.stride[0], v.stride[1]}, v.type} : sample_plane{};
}
template <space S>
sample_plane sample_plane_of(const output_view<1, S>& v) {
  return v.given() ? sample_plane{v.data, {v.stride[0], 0}, v.type} : sample_plane{};
}

// On the CPU, before anything is written.
inline status check_volume_references(const volume_table& t) {
  const std::int64_t references = t.group_stride == 0 && t.points.groups > 0 ? 1 : t.points.groups;
  for (std::int64_t b = 0; b < references; ++b)
    if (const int k = t.first_bad_low(b); k >= 0)
      return require::fail(errc::bad_parameter, "reference", "a finite number",
                           load_element<double>(t.reference, t.type, b * t.group_stride + k * t.objective_stride), 0,
                           b * t.points.count + k);
  return {};
}

// What is wrong with the samples of group b, of which one may not be as it should.
inline status check_volume_samples(const volume_table& t, std::int64_t b) {
  const group_rows g = t.points.group(b);
  const bool rejects = t.points.nan == nan_policy::reject;
  for (std::int64_t i = 0; i < g.count; ++i) {
    if (!t.points.in_mask(g.first + i)) continue;
    if (rejects && t.points.first_nan(g, i) >= 0) return nan_sample(t.points, g, i);
    if (!t.must_bound || !t.may_count(g.first + i)) continue;
    if (t.points.first_nan(g, i) >= 0 && t.points.nan == nan_policy::ignore) continue;
    if (const int k = t.first_short(g, b, i); k >= 0)
      return require::fail(errc::bad_parameter, t.points.rewards,
                           "better than the reference, which has to bound every sample",
                           load_element<double>(t.points.data, t.points.type,
                                                g.base + i * t.points.row_stride + k * t.points.objective_stride),
                           0, (g.first + i) * t.points.count + k);
  }
  return {};
}

// How samples are read: factors of -1 for what is minimised, and the reference.
struct point_reader {
  double factor[objectives::most];
  double low[objectives::most];

  point_reader(const volume_table& t, std::int64_t b) {
    for (int k = 0; k < t.points.count; ++k) factor[k] = t.points.minimizes(k) ? -1 : 1, low[k] = t.low(b, k);
  }
  // Maximised objectives; whether all of them are numbers beyond the reference.
  template <class S>
  bool read(const S* from, std::int64_t stride, int count, double* row) const {
    bool beyond = true;
    for (int k = 0; k < count; ++k) {
      const double x = factor[k] * static_cast<double>(widen(from[k * stride]));
      row[k] = x;
      beyond = beyond & (x > low[k]) & !math::is_nan(x);
    }
    return beyond;
  }
};

// Whether every sample of group b is beyond the reference: then none has to be looked at closely.
inline bool all_beyond(const volume_table& t, std::int64_t b) {
  const point_reader reader(t, b);
  const group_rows g = t.points.group(b);
  double row[objectives::most];
  bool all = true;
  with_elements(t.points.data, t.points.type, [&](const auto* data) {
    for (std::int64_t i = 0; i < g.count && all; ++i)
      all = reader.read(data + g.base + i * t.points.row_stride, t.points.objective_stride, t.points.count, row);
  });
  return all;
}

inline status check_volume_content(const cpu& exec, const volume_table& t) {
  if (exec.content == content::none) return {};
  if (const status s = first_error(check_group_offsets(t.points), check_volume_references(t)); !s.ok()) return s;
  const bool looks = t.points.nan == nan_policy::reject || t.must_bound;
  if (!looks) return {};
  for (std::int64_t b = 0; b < t.points.groups; ++b) {
    if (t.points.violation.data == nullptr && all_beyond(t, b)) continue;
    if (const status s = check_volume_samples(t, b); !s.ok()) return s;
  }
  return {};
}

// The samples of a group that count, as rows of maximised numbers, and their places in the group; also its reference.
inline std::int64_t gather_points(const volume_table& t, std::int64_t b, double* low, double* rows, std::int32_t* ids) {
  const objective_table& p = t.points;
  const group_rows g = p.group(b);
  const point_reader reader(t, b);
  for (int k = 0; k < p.count; ++k) low[k] = reader.low[k];
  const bool plain = p.mask.data == nullptr && p.violation.data == nullptr;
  std::int64_t n = 0;
  with_elements(p.data, p.type, [&](const auto* data) {
    for (std::int64_t i = 0; i < g.count; ++i) {
      const auto* const from = data + g.base + i * p.row_stride;
      const bool beyond = reader.read(from, p.objective_stride, p.count, rows + n * p.count);
      ids[n] = static_cast<std::int32_t>(i);
      n += beyond && (plain || t.may_count(g.first + i)) ? 1 : 0;
    }
  });
  return n;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer

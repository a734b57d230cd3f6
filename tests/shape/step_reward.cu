// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "step_reward.hpp"

#include <prefer/shape/step_reward.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::step_frames;
using prefer_test::stream;

namespace {

template <class S>
struct on_device {
  step_frames<S>& host;
  device<S> feature, upstream, score, mean, deviation, reward, gradient;
  device<std::int32_t> selected;
  device<std::int64_t> step;
  device<S> combined;
  prefer_test::device_workspace memory;

  explicit on_device(step_frames<S>& x)
      : host(x),
        feature(x.feature.memory),
        upstream(x.upstream.memory),
        score(x.score.memory),
        mean(x.mean.memory),
        deviation(x.deviation.memory),
        reward(x.reward.memory),
        gradient(x.gradient.memory),
        selected(x.selected.memory),
        step(x.step),
        combined(x.combined),
        memory(fit_step_model_workspace(cuda{nullptr}, x.k, x.d)) {}
  template <class T, class U>
  static view<U, 2, space::device> of(device<T>& d, const prefer_test::matrix<T>& m) {
    return {d.data(), m.n, m.elements, m.row, 1};
  }
  template <class T>
  static auto read(device<T>& d, const prefer_test::matrix<T>& m) {
    return of<T, const T>(d, m);
  }
  template <class T>
  static auto write(device<T>& d, const prefer_test::matrix<T>& m) {
    return of<T, T>(d, m);
  }
  status fit(const stream& at, const step_model_fit& how) {
    return fit_step_model(cuda{.stream = at.handle, .workspace = memory.get()}, how,
                          {read(feature, host.feature), step.read()},
                          {write(score, host.score), write(selected, host.selected), write(mean, host.mean),
                           write(deviation, host.deviation)});
  }
  status rewards(const stream& at, step_reward_form form, content_report* report = nullptr) {
    return step_rewards(cuda{.stream = at.handle, .report = report}, form,
                        {read(feature, host.feature), read(selected, host.selected), read(mean, host.mean),
                         read(deviation, host.deviation), read(upstream, host.upstream)},
                        {write(reward, host.reward), write(gradient, host.gradient)});
  }
  status combine(const stream& at, const step_combination& how) {
    return combine_step_rewards(cuda{at.handle}, how, read(reward, host.reward), combined.view());
  }
  void fetch() {
    score.fetch(), mean.fetch(), deviation.fetch(), reward.fetch(), gradient.fetch(), selected.fetch(),
        combined.fetch();
  }
};

template <class S>
void check_all(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t m) {
  stream at;
  step_frames<S> x(n, d, k, m, d % 3);
  on_device<S> there(x);
  const step_model_fit how{.separation = 2.0, .least_deviation = 0.5};
  prefer_test::enqueues_only("step model", 6, [&] {
    check(there.fit(at, how));
    check(there.rewards(at, step_reward_form::gaussian));
    check(there.combine(at, {}));
  });
  at.wait();
  there.fetch();
  x.check_fit(how);
  x.check_rewards(false);
  x.check_combined(false, 0);
  CHECK(x.intact());
  covers<S>("step_reward", "sizes");
  covers("step_reward", "allocation");
}

}  // namespace

TEST_CASE("fit, rewards, gradients and combination on CUDA are their definitions") {
  check_all<float>(40, 5, 1, 2), check_all<float>(40, 33, 3, 7), check_all<float>(30, 300, 2, 33);
  check_all<double>(50, 20, 5, 9), check_all<half>(30, 20, 3, 4), check_all<bfloat16>(30, 20, 2, 4);
}

TEST_CASE("captured calls see the frames and the threshold that are there; an index that is no feature is reported") {
  stream at;
  step_frames<float> x(40, 12, 3, 5);
  on_device<float> there(x);
  prefer_test::buffer<double> threshold(1);
  device<double> where(threshold);
  const auto graph = prefer_test::capture(at.handle, [&] {
    check(there.fit(at, {}));
    check(there.rewards(at, step_reward_form::as_printed));
    check(there.combine(at, {.binary = true, .threshold = where.data()}));
  });
  for (const double y : {0.5, 2.0}) {
    threshold.set(0, y), where.send();
    for (std::int64_t t = 0; t < 40; ++t) x.feature.set(t, 4, y * static_cast<double>((t * 7) % 5));
    there.feature.send();
    REQUIRE(cudaGraphLaunch(graph, at.handle) == cudaSuccess);
    at.wait();
    there.fetch();
    x.check_fit({});
    x.check_rewards(true);
    x.check_combined(true, y);
  }
  cudaGraphExecDestroy(graph);

  x.selected.memory.at(x.selected.at(1, 2)) = 12;
  there.selected.send();
  const prefer_test::device_array<content_report> report(std::vector<content_report>(1));
  check(there.rewards(at, step_reward_form::gaussian, report.data));
  at.wait();
  there.fetch();
  CHECK((report.fetch()[0].code() == errc::bad_index && report.fetch()[0].index() == 7));
  CHECK((std::isnan(x.reward.get(0, 1)) && !std::isnan(x.reward.get(0, 0)) && !std::isnan(x.reward.get(0, 2))));
  const status st = there.fit(at, {.separation = -1.0});
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "separation"));
  for (const char* tag : {"capture", "bad-argument"}) covers("step_reward", tag);
}

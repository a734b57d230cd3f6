// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything for the CPU that needs no other library. Including single headers compiles faster.
#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/core/random.hpp>
#include <prefer/core/reducer.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/core/validate.hpp>
#include <prefer/logp/denoising_step.hpp>
#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/apo.hpp>
#include <prefer/loss/bco.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/cpl.hpp>
#include <prefer/loss/cpo.hpp>
#include <prefer/loss/d3po.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/diffusion_kto.hpp>
#include <prefer/loss/discopop.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/dpop.hpp>
#include <prefer/loss/exo.hpp>
#include <prefer/loss/f_dpo.hpp>
#include <prefer/loss/hinge.hpp>
#include <prefer/loss/ipo.hpp>
#include <prefer/loss/kto.hpp>
#include <prefer/loss/length_normalized_dpo.hpp>
#include <prefer/loss/nca.hpp>
#include <prefer/loss/nll.hpp>
#include <prefer/loss/orpo.hpp>
#include <prefer/loss/r_dpo.hpp>
#include <prefer/loss/regret.hpp>
#include <prefer/loss/robust_dpo.hpp>
#include <prefer/loss/seppo.hpp>
#include <prefer/loss/simper.hpp>
#include <prefer/loss/simpo.hpp>
#include <prefer/loss/slic.hpp>
#include <prefer/loss/sppo.hpp>
#include <prefer/loss/tdpo.hpp>
#include <prefer/loss/unpaired.hpp>
#include <prefer/mdp/bellman.hpp>
#include <prefer/mdp/softmax_value.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/comparison_groups.hpp>

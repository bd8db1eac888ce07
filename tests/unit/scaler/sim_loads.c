/*
 * The scenarios, as functions of time. Their figures are those of one kind of
 * pool: ten slots a node, five seconds to start one, a promise of two seconds.
 */
#include "tests/unit/scaler/sim_loads.h"

#include <math.h>

const struct policy_rule sim_rule = {
	.min = 1,
	.max = 40,
	.step = 10,
	.slots = 10,
	.full = 0.8,
	.promise_s = 2,
	.up_cooldown_s = 5,
	.down_cooldown_s = 60,
	.idle_s = 120,
	.start_s = 5,
};

struct policy_rule sim_rule_of(enum sim_load_id id)
{
	struct policy_rule rule = sim_rule;

	if (id == LOAD_COLD)
		rule.min = 0;
	if (id == LOAD_TIGHT) {
		rule.slots = 2;
		rule.promise_s = 0.1;
	}
	return rule;
}

static double rate_step(double t)
{
	return t >= 120 && t < 720 ? 500 : 0;
}

static double rate_ramp(double t)
{
	if (t < 60 || t >= 1140)
		return 5;
	if (t < 300)
		return 5 + (t - 60) * 495 / 240;
	if (t < 900)
		return 500;
	return 5 + (1140 - t) * 495 / 240;
}

static double rate_bursts(double t)
{
	return 5 + (fmod(t, 120) > 60.45 && fmod(t, 120) < 60.55 ? 6000 : 0);
}

static double rate_wave(double t)
{
	/* A day in two hours. Least at four in the morning, most at four in the afternoon. */
	return 52 - 48 * cos(2 * M_PI * (t / 7200 - 4.0 / 24));
}

static double rate_flap(double t)
{
	return fmod(t, 40) < 20 ? 200 : 0;
}

static double rate_long(double t)
{
	return t < 60 ? 0.05 : t < 1500 ? 1 : 0.05;
}

static double rate_steady(double t)
{
	return t < 30 || t >= 1500 ? 2 : 100;
}

static double rate_twenty(double t)
{
	return t < 60 ? 0 : 20;
}

static double rate_half(double t)
{
	return t < 900 ? 20 : 0;
}

static double rate_cold(double t)
{
	return t >= 60 && t < 360 ? 30 : 0;
}

static double service_short(double t UNUSED)
{
	return 0.2;
}

static double service_second(double t UNUSED)
{
	return 1;
}

static double service_long(double t UNUSED)
{
	return 60;
}

static double service_slower(double t)
{
	return t < 600 ? 0.2 : 0.6;
}

static double service_hanging(double t)
{
	return t < 300 ? 0.2 : INFINITY;
}

const struct sim_load sim_loads[LOADS] = {
	[LOAD_STEP] = {.name = "step",
				   .duration_s = 1200,
				   .rate = rate_step,
				   .service = service_short,
				   .seed = 1},
	[LOAD_RAMP] = {.name = "ramp",
				   .duration_s = 1500,
				   .rate = rate_ramp,
				   .service = service_short,
				   .seed = 2},
	[LOAD_BURSTS] = {.name = "bursts",
					 .duration_s = 1800,
					 .rate = rate_bursts,
					 .service = service_short,
					 .seed = 3},
	[LOAD_WAVE] = {.name = "daily wave",
				   .duration_s = 7200,
				   .rate = rate_wave,
				   .service = service_second,
				   .seed = 4},
	[LOAD_FLAP] = {.name = "flapping lane",
				   .duration_s = 1200,
				   .rate = rate_flap,
				   .service = service_short,
				   .seed = 5},
	[LOAD_LONG] = {.name = "long tasks",
				   .duration_s = 2400,
				   .rate = rate_long,
				   .service = service_long,
				   .seed = 6},
	[LOAD_TIGHT] = {.name = "tight promise",
					.duration_s = 3600,
					.rate = rate_twenty,
					.service = service_short,
					.seed = 12},
	[LOAD_MIXED] = {.name = "mixed tasks",
					.duration_s = 1800,
					.rate = rate_steady,
					.service = service_short,
					.kind = SIM_MIXED,
					.seed = 7},
	[LOAD_SLOWER] = {.name = "slower handlers",
					 .duration_s = 1800,
					 .rate = rate_steady,
					 .service = service_slower,
					 .seed = 8},
	[LOAD_HANGING] = {.name = "hanging handlers",
					  .duration_s = 900,
					  .rate = rate_half,
					  .service = service_hanging,
					  .seed = 9},
	[LOAD_IGNORED] = {.name = "dead lane",
					  .duration_s = 900,
					  .rate = rate_half,
					  .service = service_short,
					  .ignored_from_s = 300,
					  .seed = 10},
	[LOAD_COLD] = {.name = "from nothing",
				   .duration_s = 900,
				   .rate = rate_cold,
				   .service = service_short,
				   .seed = 11},
};

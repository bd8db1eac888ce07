/* The formula of predict.h. It stands alone to be tested by table. */
#include "scaler/predict.h"

#include <math.h>

double predict_wait_s(const struct predict_view *v)
{
	unsigned free = v->slots > v->used ? v->slots - v->used : 0;

	if (v->slots == 0 && v->start_s <= 0)
		return INFINITY;
	if (v->slots == 0)
		return v->start_s + (v->slots_started && v->ahead >= v->slots_started
								 ? ((double)(v->ahead) + 0.5) * v->service_s / v->slots_started
								 : 0);
	if (v->ahead < free)
		return 0;
	if (v->service_s <= 0)
		return 0; /* nothing is known: the basis says so */
	/* On average a running task is through by half. */
	double rate_per_s = v->slots / v->service_s, before = (double)(v->ahead - free) + 0.5;
	if (v->arrival_above_per_s >= rate_per_s)
		return INFINITY;
	return before / (rate_per_s - v->arrival_above_per_s);
}

#!/bin/sh
# A task handler for `nats reply`: the body comes in NATS_REQUEST_BODY, what is printed is the result.
printf '%s' "$NATS_REQUEST_BODY" | tr '[:lower:]' '[:upper:]'

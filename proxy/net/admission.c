/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/admission.h"

#include "base/clock.h"
#include "proxy/guesses.h"

#include <string.h>

bool admission_enter(struct admission *admission, unsigned most, enum refusal *refusal_out)
{
    struct gate *gate = admission->gate;
    struct entrance *entrance = admission->entrance;
    unsigned of_the_gate = atomic_load(&gate->sessions_most);
    *refusal_out = REFUSAL_LISTENER;
    if (atomic_fetch_add(&entrance->sessions, 1) < most) {
        *refusal_out = REFUSAL_DESCRIPTORS;
        admission->inside = atomic_fetch_add(&gate->sessions, 1) < of_the_gate || of_the_gate == 0;
        if (admission->inside)
            return true;
        atomic_fetch_sub(&gate->sessions, 1);
    }
    atomic_fetch_sub(&entrance->sessions, 1);
    return false;
}

static void leave_address(struct admission *admission)
{
    if (admission->address_counted)
        peers_leave(admission->gate->peers, PEER_ADDRESS, &admission->address,
                    sizeof(admission->address));
    admission->address_counted = false;
}

static void leave_partner(struct admission *admission)
{
    if (admission->partner != NULL)
        peers_leave(admission->gate->peers, PEER_PARTNER, admission->partner,
                    strlen(admission->partner));
    admission->partner = NULL;
    snapshot_unref(&admission->snapshot);
}

bool admission_address(struct admission *admission, const struct sockaddr *address, unsigned most)
{
    leave_address(admission);
    peer_key_of(address, &admission->address);
    admission->address_counted = peers_enter(admission->gate->peers, PEER_ADDRESS,
                                             &admission->address, sizeof(admission->address), most);
    return admission->address_counted;
}

/* partner: the snapshot's. */
static void name_partner(struct admission *admission, struct snapshot *snapshot,
                         const char *partner)
{
    admission->partner = partner;
    if (admission->snapshot == snapshot)
        return;
    snapshot_unref(&admission->snapshot);
    admission->snapshot = snapshot_ref(snapshot);
}

bool admission_partner(struct admission *admission, struct snapshot *snapshot,
                       const struct account_config *account)
{
    const char *partner = account != NULL ? account->stream->terms.partner->id : NULL;
    if (partner == NULL || admission->partner == NULL || strcmp(partner, admission->partner) != 0) {
        leave_partner(admission);
        if (partner == NULL)
            return true;
        if (!peers_enter(admission->gate->peers, PEER_PARTNER, partner, strlen(partner),
                         account->stream->partner_connections))
            return false;
    }
    name_partner(admission, snapshot, partner);
    return true;
}

bool admission_let_in(struct gate *gate, const struct config *config,
                      const struct listener_config *listener, const struct sockaddr *address,
                      unsigned inside)
{
    struct peer_key key;
    peer_key_of(address, &key);
    return listener->max_connections_per_address == 0 || listener_trusts(listener, address) ||
           guesses_let_in(gate->guesses, &key, inside, clock_monotonic()) ||
           config_account_of_peer(config, address, NULL) != NULL;
}

void admission_leave(struct admission *admission)
{
    leave_address(admission);
    leave_partner(admission);
    if (admission->inside) {
        atomic_fetch_sub(&admission->entrance->sessions, 1);
        atomic_fetch_sub(&admission->gate->sessions, 1);
    }
    admission->inside = false;
}

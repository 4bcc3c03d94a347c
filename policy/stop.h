/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The word STOP: in what a person wrote back, where it is a withdrawal, and in what a partner is
 * about to send, where it is the instruction that the law asks for. Pure. Text is UTF-8; a byte
 * that is not, a mark or a symbol parts words like a space does. Case and accents do not matter,
 * nor do the letters of other widths and styles that phones and marketers write with.
 */
#ifndef OCTROI_POLICY_STOP_H
#define OCTROI_POLICY_STOP_H

#include <stdbool.h>

/* The first word of a person's reply is STOP, ARRET, UNSUBSCRIBE, END, QUIT, CANCEL or STOPALL,
 * whatever follows, be it the number it is sent to without a space between ("STOP36111"). Another
 * word that only begins so is none ("stopper", "Stop2"), nor is a word further on: "Ne pas stop" is
 * left to people. */
bool stop_asked(const char *text);

/*
 * The text tells the person how to stop. It has the word STOP, and what makes an instruction of it:
 *
 * - a number to write to, of 5 to 15 digits, with at most four words between: "STOP au 36111",
 *   "STOP SMS : 36180", "STOP36111", "STOP by SMS to +33700000000";
 * - or among the three words before it the act of answering: "Répondez STOP", "Reply with STOP to
 *   end", "Envoyez le mot STOP pour ne plus recevoir";
 * - or what it does: "STOP to end", "STOP to opt out";
 * - or nothing behind it: "Pour ne plus recevoir nos offres : STOP".
 *
 * Why no less: the bare word also sells ("STOP aux prix hauts ! -50 %"), and a text that passed for
 * an instruction would leave the person without a way out. Why no more: nobody prescribes the
 * sentence, and there are 160 characters. Why five digits: the short codes of France have five, and
 * what has fewer is mostly a price, a year or an hour. An exclamation or question mark ends what
 * belongs together. STOPSMS and STOPPUB are the word as well; "nonstop", "non-stop", "non stop" and
 * "stopper" never are.
 */
bool stop_mentioned(const char *text);

#endif

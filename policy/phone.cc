/* SPDX-License-Identifier: Apache-2.0 */
/*
 * French numbers need more than libphonenumber does. France and its overseas departments share one
 * national plan of ten digits, but each has its own country code: 06 92 12 34 56 dialled in Paris
 * is +262 692 12 34 56. The library, asked in region FR, calls overseas mobiles invalid and gives
 * overseas landlines +33, a number that exists nowhere; and it calls a mobile of Paris dialled in
 * La Réunion invalid. So one person would have two spellings, and an opt-out under one of them
 * would not stop a message to the other.
 */
#include "policy/phone.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>
#include <set>
#include <string>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace
{

bool copy_out(const std::string &text, char *out, size_t size)
{
    if (text.empty() || text.size() >= size)
        return false;
    std::memcpy(out, text.c_str(), text.size() + 1);
    return true;
}

bool parse(const char *text, const char *region, PhoneNumber *number)
{
    return PhoneNumberUtil::GetInstance()->Parse(text, region, number) ==
           PhoneNumberUtil::NO_PARSING_ERROR;
}

/* An extension is part of what was dialled but not of E.164: two people may share the rest. */
bool is_one_line(const PhoneNumber &number)
{
    return !number.has_extension() && PhoneNumberUtil::GetInstance()->IsValidNumber(number);
}

const int FRANCE = 33;

/* What the national plan gives to departments with a country code of their own, by the first three
 * digits behind the 0. */
const struct {
    unsigned prefix;
    int country_code;
} overseas[] = {
    {262, 262}, {263, 262}, {692, 262}, {693, 262}, /* La Réunion */
    {269, 262}, {639, 262},                         /* Mayotte */
    {590, 590}, {690, 590}, {691, 590},             /* Guadeloupe and its neighbours */
    {594, 594}, {694, 594},                         /* Guyane */
    {596, 596}, {696, 596}, {697, 596},             /* Martinique */
    {508, 508}, /* Saint-Pierre-et-Miquelon: 05 08, six digits */
};

/* A number of the French plan to the country code it has abroad. */
void leave_france(PhoneNumber *number)
{
    const std::uint64_t national = number->national_number();
    if (number->country_code() != FRANCE || national < 100000000 || national > 999999999)
        return;
    for (const auto &range : overseas) {
        if (national / 1000000 != range.prefix)
            continue;
        number->set_country_code(range.country_code);
        if (range.country_code == 508)
            number->set_national_number(national % 1000000);
    }
}

bool is_overseas(const char *region)
{
    static const char *const regions[] = {"BL", "GF", "GP", "MF", "MQ", "PM", "RE", "YT"};
    for (const char *known : regions)
        if (std::strcmp(region, known) == 0)
            return true;
    return false;
}

/* The digits of text, count of them and no more, the first not 0; 0 when they are not that. */
std::uint64_t whole_number(const char *text, std::size_t count)
{
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || (i == 0 && text[i] == '0'))
            return 0;
        number = number * 10 + static_cast<std::uint64_t>(text[i] - '0');
    }
    return text[count] == '\0' ? number : 0;
}

/* The two spellings in which nearly all numbers come, 0612345678 dialled in France and
 * +33612345678: they need no parsing, which takes twice as long as the judgement on the number. */
bool read_plainly(const char *text, const char *region, PhoneNumber *number)
{
    std::uint64_t national = 0;
    if (text[0] == '0' && std::strcmp(region, "FR") == 0)
        national = whole_number(text + 1, 9);
    else if (std::strncmp(text, "+33", 3) == 0)
        national = whole_number(text + 3, 9);
    if (national == 0)
        return false;
    number->set_country_code(FRANCE);
    number->set_national_number(national);
    return true;
}

/* What the library said of a French number so far, by its first five digits: those decide in its
 * patterns of the plan, which is given out in blocks, and asking costs more than the judgement on
 * the number. A test asks for each block. */
enum class Block : unsigned char { unasked, valid, invalid };
std::atomic<Block> blocks[100000];

bool is_valid_french(const PhoneNumber &number)
{
    std::atomic<Block> &block = blocks[number.national_number() / 10000];
    Block known = block.load(std::memory_order_relaxed);
    if (known == Block::unasked) {
        known = is_one_line(number) ? Block::valid : Block::invalid;
        block.store(known, std::memory_order_relaxed);
    }
    return known == Block::valid;
}

bool parse_in_plan(const char *text, const char *region, PhoneNumber *number)
{
    if (read_plainly(text, region, number)) {
        leave_france(number);
        return number->country_code() == FRANCE ? is_valid_french(*number) : is_one_line(*number);
    }
    if (parse(text, region, number)) {
        leave_france(number);
        if (is_one_line(*number))
            return true;
    }
    /* Dialled overseas, but not of that department: then as in all of France. */
    if (text[0] != '0' || !is_overseas(region) || !parse(text, "FR", number))
        return false;
    leave_france(number);
    return is_one_line(*number);
}

bool format(const PhoneNumber &number, PhoneNumberUtil::PhoneNumberFormat as, char *out,
            size_t size)
{
    std::string text;
    PhoneNumberUtil::GetInstance()->Format(number, as, &text);
    return copy_out(text, out, size);
}

/* Whoever reads a number asks for its international form right after, for the mask: taking it apart
 * anew would be half of the work. Of one thread, and only the last one; plain values, since what
 * has a destructor needs memory to be registered, and the C library ends the process for want of
 * it. */
struct Last {
    char e164[32]; /* "" : none */
    int country_code;
    std::uint64_t national_number;
    bool leading_zero;
    int leading_zeros;
};
thread_local Last last;

void remember(const char *e164, const PhoneNumber &number)
{
    if (std::strlen(e164) >= sizeof(last.e164))
        return;
    std::memcpy(last.e164, e164, std::strlen(e164) + 1);
    last.country_code = number.country_code();
    last.national_number = number.national_number();
    last.leading_zero = number.italian_leading_zero();
    last.leading_zeros = number.number_of_leading_zeros();
}

void recall(PhoneNumber *number)
{
    number->set_country_code(last.country_code);
    number->set_national_number(last.national_number);
    if (last.leading_zero) {
        number->set_italian_leading_zero(true);
        number->set_number_of_leading_zeros(last.leading_zeros);
    }
}

/* "+33612345678" as the library writes it, in a fraction of the time. Not the numbers that begin
 * with 8, which it groups in several ways. False: it is for the library. */
bool format_french(const char *e164, char *out, size_t size)
{
    static const char shape[] = "+33 d dd dd dd dd";
    if (size < sizeof(shape) || std::strncmp(e164, "+33", 3) != 0 || e164[3] == '8' ||
        whole_number(e164 + 3, 9) == 0)
        return false;
    const char *digit = e164 + 3;
    for (std::size_t i = 0; i < sizeof(shape); i++)
        out[i] = shape[i] == 'd' ? *digit++ : shape[i];
    return true;
}

} // namespace

/* No exception may reach C: whatever goes wrong, the number is not read. */
bool phone_to_e164(const char *text, const char *region, char *out, size_t size)
{
    try {
        PhoneNumber number;
        last.e164[0] = '\0';
        bool read = parse_in_plan(text, region, &number) &&
                    format(number, PhoneNumberUtil::E164, out, size);
        if (read)
            remember(out, number);
        return read;
    } catch (...) {
        return false;
    }
}

bool phone_to_international(const char *e164, char *out, size_t size)
{
    if (format_french(e164, out, size))
        return true;
    try {
        PhoneNumber number;
        bool known = *e164 != '\0' && std::strcmp(last.e164, e164) == 0;
        if (known)
            recall(&number);
        return (known || parse(e164, "ZZ", &number)) &&
               format(number, PhoneNumberUtil::INTERNATIONAL, out, size);
    } catch (...) {
        return false;
    }
}

bool phone_region_known(const char *region)
{
    try {
        std::set<std::string> regions;
        PhoneNumberUtil::GetInstance()->GetSupportedRegions(&regions);
        return regions.count(region) > 0;
    } catch (...) {
        return false;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/phone.h"

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

bool format(const PhoneNumber &number, PhoneNumberUtil::PhoneNumberFormat as, char *out,
            size_t size)
{
    std::string text;
    PhoneNumberUtil::GetInstance()->Format(number, as, &text);
    return copy_out(text, out, size);
}

/* Whoever reads a number asks for its international form right after, for the mask: taking it apart
 * anew would be half of the work. Of one thread, and only the last one. */
struct Last {
    std::string e164;
    PhoneNumber number;
};
thread_local Last last;

} // namespace

/* No exception may reach C: whatever goes wrong, the number is not read. */
bool phone_to_e164(const char *text, const char *region, char *out, size_t size)
{
    try {
        last.e164.clear();
        bool read = parse(text, region, &last.number) && is_one_line(last.number) &&
                    format(last.number, PhoneNumberUtil::E164, out, size);
        if (read)
            last.e164 = out;
        return read;
    } catch (...) {
        return false;
    }
}

bool phone_to_international(const char *e164, char *out, size_t size)
{
    try {
        PhoneNumber number;
        if (*e164 != '\0' && last.e164 == e164)
            return format(last.number, PhoneNumberUtil::INTERNATIONAL, out, size);
        return parse(e164, "ZZ", &number) &&
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

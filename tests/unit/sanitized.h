/* sanitized.h - whether this build is one of the address sanitizer's: gcc says it by a macro, clang
 * by a feature. */
#ifndef MILLRACE_TESTS_SANITIZED_H
#define MILLRACE_TESTS_SANITIZED_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

#endif

/* sanitized.h - whether this build is one of the address sanitizer's or ThreadSanitizer's: gcc says
 * it by macros, clang by features. */
#ifndef MILLRACE_TESTS_SANITIZED_H
#define MILLRACE_TESTS_SANITIZED_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#elif __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#endif

COPY public.customers ("tenant_id", "id", "external_id", "external_hash", "version", "created_at", "updated_at", "kind", "name", "country", "segment", "tier", "source", "owner", "tags", "referred_by") FROM stdin;
cedar	01a217eb-f5c3-70a6-8e30-cf9bf32bdb51	\N	\N	2	2025-02-03 17:15:00+00	2025-10-21 17:15:00+00	organisation	Customer 1	DE	smith	silver	web	ann	{moved}	\N
cedar	01a217eb-f5d8-77a0-88e9-67c1995bf85f	\N	\N	1	2025-02-06 11:33:00+00	2025-02-06 11:33:00+00	person	Customer 2	IT	\N	\N	fair	ann	{}	\N
cedar	01a217eb-f5dd-7713-a8e9-aefe48458858	\N	\N	1	2025-12-28 14:51:00+00	2025-12-28 14:51:00+00	organisation	Customer 3	AT	smith	gold	web	ann	{vip}	\N
cedar	01a217eb-f5e4-7498-bb17-a4bf0eddfd4d	\N	\N	1	2025-04-01 14:37:00+00	2025-04-01 14:37:00+00	person	Customer 4	DE	potter	silver	web	ann	{vip}	\N
cedar	01a217eb-f602-73ef-bfad-88254a945d85	\N	\N	1	2025-02-22 14:18:00+00	2025-02-22 14:18:00+00	person	Customer 8	IT	\N	gold	web	ann	{vip}	\N
cedar	01a217eb-f60a-76ca-a935-5b5fade33026	\N	\N	1	2025-09-02 15:03:00+00	2025-09-02 15:03:00+00	organisation	Customer 9	AT	smith	silver	web	ann	{beta,vip}	\N
cedar	01a217eb-f60c-759d-921f-d666dca8fc44	\N	\N	1	2025-02-05 11:00:00+00	2025-02-05 11:00:00+00	person	Customer 10	DE	potter	gold	web	bob	{}	\N
cedar	01a217eb-f611-7674-b72f-737ef3bd21be	\N	\N	1	2025-03-16 09:16:00+00	2025-03-16 09:16:00+00	organisation	Customer 11	IT	\N	silver	fair	ann	{vip}	\N
cedar	01a217eb-f613-728b-a7dc-8b2f4f4acb8a	\N	\N	1	2025-07-23 16:45:00+00	2025-07-23 16:45:00+00	person	Customer 12	AT	smith	\N	web	ann	{vip}	\N
cedar	01a217eb-f61d-730e-ba8e-7a542eed45b5	\N	\N	2	2025-01-24 09:59:00+00	2025-10-11 09:59:00+00	organisation	Customer 13	DE	smith	gold	fair	ann	{moved}	01a217eb-f5fa-772e-bad9-a13d6a96841a
cedar	01a217eb-f622-731e-99f8-b0a1b1ab7e8f	\N	\N	1	2025-02-06 09:09:00+00	2025-02-06 09:09:00+00	person	Customer 14	IT	\N	silver	web	bob	{}	\N
cedar	01a217eb-f624-7126-b316-1ac6f29c1527	\N	\N	1	2026-02-07 15:39:00+00	2026-02-07 15:39:00+00	organisation	Customer 15	AT	smith	gold	web	bob	{vip}	\N
cedar	01a217eb-f627-7635-bb1e-0b423bdf753e	\N	\N	1	2025-03-25 12:03:00+00	2025-03-25 12:03:00+00	person	Customer 16	DE	potter	silver	web	ann	{vip}	\N
cedar	01a217eb-f638-7219-b64c-aa44938c72ad	\N	\N	1	2025-03-15 17:26:00+00	2025-03-15 17:26:00+00	organisation	Customer 17	IT	\N	\N	fair	ann	{beta,vip}	\N
cedar	01a217eb-f63c-77ba-940e-7e9219046297	\N	\N	1	2025-12-02 10:25:00+00	2025-12-02 10:25:00+00	person	Customer 18	AT	smith	gold	fair	ann	{}	\N
cedar	01a217eb-f63f-73b9-aa03-87f04aa4ac8e	\N	\N	2	2025-03-29 12:13:00+00	2025-12-14 12:13:00+00	organisation	Customer 19	DE	smith	silver	fair	ann	{moved}	\N
cedar	01a217eb-f646-70ca-abbb-f1cb55baa6de	\N	\N	1	2025-02-03 13:00:00+00	2025-02-03 13:00:00+00	person	Customer 20	IT	\N	gold	fair	bob	{vip}	01a217eb-f60c-759d-921f-d666dca8fc44
cedar	01a217eb-f652-7277-9ee7-403f38dd4e30	\N	\N	1	2025-10-29 12:26:00+00	2025-10-29 12:26:00+00	organisation	Customer 21	AT	smith	silver	web	ann	{beta,vip}	\N
cedar	01a217eb-f656-7695-a262-4db798b31c3b	\N	\N	1	2025-03-07 12:16:00+00	2025-03-07 12:16:00+00	person	Customer 22	DE	potter	\N	web	bob	{}	\N
cedar	01a217eb-f658-7043-be64-1a3385373ea4	\N	\N	1	2025-04-04 09:09:00+00	2025-04-04 09:09:00+00	organisation	Customer 23	IT	\N	gold	web	ann	{vip}	\N
cedar	01a217eb-f65d-73e8-be23-9673c9aae46c	\N	\N	1	2025-03-20 17:38:00+00	2025-03-20 17:38:00+00	person	Customer 24	AT	smith	silver	web	ann	{vip}	\N
cedar	01a217eb-f666-7348-973e-c8d449a90eb0	\N	\N	2	2025-02-01 12:12:00+00	2025-10-19 12:12:00+00	organisation	Customer 25	DE	smith	gold	fair	bob	{moved}	\N
cedar	01a217eb-f66d-734a-a7f1-0834d5d2f27a	\N	\N	1	2025-02-24 14:45:00+00	2025-02-24 14:45:00+00	person	Customer 26	IT	\N	silver	fair	bob	{}	\N
cedar	01a217eb-f674-750b-8323-1c2f46381c42	\N	\N	1	2025-03-01 12:37:00+00	2025-03-01 12:37:00+00	organisation	Customer 27	AT	smith	\N	web	bob	{vip}	01a217eb-f61d-730e-ba8e-7a542eed45b5
cedar	01a217eb-f67a-7295-8b8d-7c939b16e621	\N	\N	1	2025-02-19 16:36:00+00	2025-02-19 16:36:00+00	person	Customer 28	DE	potter	gold	fair	ann	{vip}	\N
cedar	01a217eb-f685-77fa-81a4-4b46a6ea88b8	\N	\N	1	2025-02-20 15:32:00+00	2025-02-20 15:32:00+00	organisation	Customer 29	IT	\N	silver	fair	ann	{beta,vip}	\N
cedar	01a217eb-f689-705a-aea9-1f5f65170fca	\N	\N	1	2025-05-20 09:53:00+00	2025-05-20 09:53:00+00	person	Customer 30	AT	smith	gold	web	bob	{}	\N
cedar	01a217eb-f68b-7368-830f-50faf1776241	\N	\N	2	2025-02-20 17:40:00+00	2025-11-07 17:40:00+00	organisation	Customer 31	DE	smith	silver	fair	bob	{moved}	\N
cedar	01a217eb-f694-754b-820d-e27bb4d64f66	\N	\N	1	2025-03-13 14:32:00+00	2025-03-13 14:32:00+00	person	Customer 32	IT	\N	\N	fair	ann	{vip}	\N
cedar	01a217eb-f6a6-7091-be58-9a2b0118e516	\N	\N	1	2025-02-23 14:26:00+00	2025-02-23 14:26:00+00	organisation	Customer 33	AT	smith	gold	fair	ann	{beta,vip}	\N
cedar	01a217eb-f6ab-7398-a904-ed8166d96415	\N	\N	1	2025-01-19 10:39:00+00	2025-01-19 10:39:00+00	person	Customer 34	DE	potter	silver	fair	bob	{}	01a217eb-f638-7219-b64c-aa44938c72ad
cedar	01a217eb-f6b4-764a-9e48-6a6caa9e53bd	\N	\N	1	2025-02-15 15:05:00+00	2025-02-15 15:05:00+00	organisation	Customer 35	IT	\N	gold	web	ann	{vip}	\N
cedar	01a217eb-f6b9-72fb-b8fd-2b6bfcc679ce	\N	\N	1	2025-10-16 13:05:00+00	2025-10-16 13:05:00+00	person	Customer 36	AT	smith	silver	fair	ann	{vip}	\N
cedar	01a217eb-f6cc-7526-86c9-18892674f0f5	\N	\N	2	2025-04-14 14:26:00+00	2025-12-30 14:26:00+00	organisation	Customer 37	DE	smith	\N	fair	ann	{moved}	\N
cedar	01a217eb-f6d9-7472-bf3d-ef2f1dc98c3b	\N	\N	1	2025-04-04 10:50:00+00	2025-04-04 10:50:00+00	person	Customer 38	IT	\N	gold	fair	bob	{}	\N
cedar	01a217eb-f6e0-77fd-850d-469a2a1671fc	\N	\N	1	2025-12-20 16:38:00+00	2025-12-20 16:38:00+00	organisation	Customer 39	AT	smith	silver	web	ann	{vip}	\N
cedar	01a217eb-f6e2-7289-8d55-1765da08c63c	\N	\N	1	2025-04-04 10:27:00+00	2025-04-04 10:27:00+00	person	Customer 40	DE	potter	gold	web	ann	{vip}	\N
cedar	01a217eb-f6f3-77b1-8f9b-1cad1ef061f1	\N	\N	1	2025-01-18 10:54:00+00	2025-01-18 10:54:00+00	organisation	Customer 41	IT	\N	silver	fair	bob	{beta,vip}	01a217eb-f646-70ca-abbb-f1cb55baa6de
cedar	01a217eb-f6f6-71f1-aeec-1af32406b8c5	\N	\N	1	2025-03-03 16:14:00+00	2025-03-03 16:14:00+00	person	Customer 42	AT	smith	\N	fair	ann	{}	\N
cedar	01a217eb-f6fa-7779-b5a5-0c2c300b32bd	\N	\N	2	2025-03-03 13:46:00+00	2025-11-18 13:46:00+00	organisation	Customer 43	DE	smith	gold	web	bob	{moved}	\N
cedar	01a217eb-f700-71d2-9103-a11d45e2a996	\N	\N	1	2025-04-06 10:44:00+00	2025-04-06 10:44:00+00	person	Customer 44	IT	\N	silver	web	ann	{vip}	\N
cedar	01a217eb-f714-7536-9ceb-b8a7f00a6867	\N	\N	1	2025-05-23 16:33:00+00	2025-05-23 16:33:00+00	organisation	Customer 45	AT	smith	gold	web	ann	{beta,vip}	\N
cedar	01a217eb-f718-721f-b9d7-222bc82373ba	\N	\N	1	2025-03-18 13:31:00+00	2025-03-18 13:31:00+00	person	Customer 46	DE	potter	silver	web	bob	{}	\N
cedar	01a217eb-f71d-728d-902f-9889a5c4d4a6	\N	\N	1	2025-02-22 16:35:00+00	2025-02-22 16:35:00+00	organisation	Customer 47	IT	\N	\N	fair	ann	{vip}	\N
cedar	01a217eb-f725-7375-9043-53c9c6ef3232	\N	\N	1	2026-01-07 16:08:00+00	2026-01-07 16:08:00+00	person	Customer 48	AT	smith	gold	web	bob	{vip}	01a217eb-f65d-73e8-be23-9673c9aae46c
cedar	01a217eb-f5aa-7219-88a0-c602ffb5d28e	\N	\N	2	2025-12-19 09:12:00+00	2026-07-07 09:12:00+00	person	Customer 0	AT	smith	gold	fair	\N	{unidentified}	\N
cedar	01a217eb-f5f2-743f-9ad0-d19204c158c7	\N	\N	2	2025-03-16 10:47:00+00	2025-03-16 10:47:00+00	organisation	Customer 5	IT	\N	gold	web	bob	{beta,vip}	\N
cedar	01a217eb-f5fe-71e8-879a-5ce7c496b294	\N	\N	3	2025-03-03 10:23:00+00	2025-11-18 10:23:00+00	organisation	Customer 7	DE	smith	\N	web	bob	{moved}	\N
cedar	01a217eb-f73e-74a8-b43b-17cfd32cb409	\N	\N	2	2025-01-21 16:18:00+00	2025-10-08 16:18:00+00	organisation	Customer 49	DE	smith	silver	fair	bob	{moved}	\N
cedar	01a217eb-f74a-724f-8e9d-e2a72e39ecf9	\N	\N	1	2025-03-14 16:54:00+00	2025-03-14 16:54:00+00	person	Customer 50	IT	\N	gold	fair	ann	{}	\N
cedar	01a217eb-f754-7457-9d6d-19cb57cc8566	\N	\N	1	2025-08-15 09:24:00+00	2025-08-15 09:24:00+00	organisation	Customer 51	AT	smith	silver	fair	ann	{vip}	\N
cedar	01a217eb-f756-7320-b7ba-2671a4fcced5	\N	\N	1	2025-02-20 18:10:00+00	2025-02-20 18:10:00+00	person	Customer 52	DE	potter	\N	fair	bob	{vip}	\N
cedar	01a217eb-f764-72f1-aee0-3ab5a739bffb	\N	\N	1	2025-01-21 11:32:00+00	2025-01-21 11:32:00+00	organisation	Customer 53	IT	\N	gold	fair	ann	{beta,vip}	\N
cedar	01a217eb-f767-726c-b38d-9a3449774168	\N	\N	1	2025-04-29 14:16:00+00	2025-04-29 14:16:00+00	person	Customer 54	AT	smith	silver	fair	ann	{}	\N
cedar	01a217eb-f76b-7294-9e60-0e2a70322a89	\N	\N	2	2025-04-01 17:46:00+00	2025-12-17 17:46:00+00	organisation	Customer 55	DE	smith	gold	web	bob	{moved}	01a217eb-f674-750b-8323-1c2f46381c42
birch	01a217eb-fe86-71dc-bf81-bbca9fbc4f19	\N	\N	2	2025-02-11 14:43:00+00	2025-10-29 14:43:00+00	organisation	Customer 1	DE	smith	silver	web	bob	{moved}	\N
birch	01a217eb-fe92-7178-9b0b-e8d5f91022db	\N	\N	1	2025-02-10 09:39:00+00	2025-02-10 09:39:00+00	person	Customer 2	IT	\N	\N	fair	ann	{}	\N
birch	01a217eb-fe99-74ff-9a00-33d3fab7d259	\N	\N	1	2025-09-19 14:57:00+00	2025-09-19 14:57:00+00	organisation	Customer 3	AT	smith	gold	fair	ann	{vip}	\N
birch	01a217eb-fe9c-771c-98d6-8784e492fc90	\N	\N	1	2025-02-28 14:54:00+00	2025-02-28 14:54:00+00	person	Customer 4	DE	potter	silver	web	bob	{vip}	\N
cedar	01a217eb-f5fa-772e-bad9-a13d6a96841a	\N	\N	3	2025-10-10 15:28:00+00	2025-10-10 15:28:00+00	person	Customer 6	AT	smith	silver	fair	ann	{}	01a217eb-f5dd-7713-a8e9-aefe48458858
birch	01a217eb-fe6c-7397-a2ff-054ef0c9c2b1	\N	\N	2	2025-01-21 15:29:00+00	2025-08-09 15:29:00+00	person	Customer 0	AT	smith	gold	web	\N	{unidentified}	\N
birch	01a217eb-feac-70f5-9c58-4a044d9819b0	\N	\N	2	2025-03-11 11:18:00+00	2025-03-11 11:18:00+00	organisation	Customer 5	IT	\N	gold	web	bob	{beta,vip}	\N
birch	01a217eb-febb-730d-8ef9-9b00b5590e93	\N	\N	3	2025-03-08 14:34:00+00	2025-11-23 14:34:00+00	organisation	Customer 7	DE	smith	\N	web	ann	{moved}	\N
birch	01a217eb-feb6-7072-b8a7-8d913369946b	\N	\N	3	2025-07-06 16:05:00+00	2025-07-06 16:05:00+00	person	Customer 6	AT	smith	silver	web	bob	{}	01a217eb-fe99-74ff-9a00-33d3fab7d259
\.
COPY public.settings ("tenant_id", "id", "external_id", "external_hash", "version", "created_at", "updated_at", "time_zone", "currency", "activity", "segment_activity") FROM stdin;
cedar	e28f3492-d39c-5366-a584-3d1b096af830	\N	\N	2	2025-01-06 09:00:00+00	2026-06-30 00:00:00+00	Europe/Vienna	EUR	{"event_types": ["contacts.touchpoint.recorded.v1", "sales.order.placed.v1"], "window_days": 120}	[{"segment": "smith", "event_types": ["contacts.touchpoint.recorded.v1", "sales.order.placed.v1"], "window_days": 45}]
birch	e24981ee-7357-5b70-bdaa-da3096bef7ed	\N	\N	2	2025-01-06 09:00:00+00	2026-06-30 00:00:00+00	Europe/Vienna	USD	{"event_types": ["contacts.touchpoint.recorded.v1", "sales.order.placed.v1"], "window_days": 120}	[{"segment": "smith", "event_types": ["contacts.touchpoint.recorded.v1", "sales.order.placed.v1"], "window_days": 45}]
\.
COPY public.contacts ("tenant_id", "id", "external_id", "external_hash", "version", "created_at", "updated_at", "name", "email", "phone", "role", "customer_id") FROM stdin;
cedar	01a217eb-f5b1-7075-9ce7-1f5d49061b02	\N	\N	2	2025-12-19 09:12:00+00	2025-12-20 09:12:00+00	Person 0	person0@example.com	+43 1 5125 0	head	01a217eb-f5aa-7219-88a0-c602ffb5d28e
cedar	01a217eb-f5e8-714c-8c7b-483fd4a704a7	\N	\N	2	2025-04-01 14:37:00+00	2025-04-02 14:37:00+00	Person 4	person4@example.com	+43 1 5125 0	head	01a217eb-f5e4-7498-bb17-a4bf0eddfd4d
cedar	01a217eb-f605-76fb-b79f-fe2d39a919c0	\N	\N	2	2025-02-22 14:18:00+00	2025-02-23 14:18:00+00	Person 8	person8@example.com	+43 1 5125 0	head	01a217eb-f602-73ef-bfad-88254a945d85
cedar	01a217eb-f616-77c0-aab1-b773d7258995	\N	\N	2	2025-07-23 16:45:00+00	2025-07-24 16:45:00+00	Person 12	person12@example.com	+43 1 5125 0	head	01a217eb-f613-728b-a7dc-8b2f4f4acb8a
cedar	01a217eb-f62b-73ad-8513-e02f2678b257	\N	\N	2	2025-03-25 12:03:00+00	2025-03-26 12:03:00+00	Person 16	person16@example.com	+43 1 5125 0	head	01a217eb-f627-7635-bb1e-0b423bdf753e
cedar	01a217eb-f64a-7343-a01b-a1e45f8e3215	\N	\N	2	2025-02-03 13:00:00+00	2025-02-04 13:00:00+00	Person 20	person20@example.com	+43 1 5125 0	head	01a217eb-f646-70ca-abbb-f1cb55baa6de
cedar	01a217eb-f660-71b9-bdec-ed75875b6860	\N	\N	2	2025-03-20 17:38:00+00	2025-03-21 17:38:00+00	Person 24	person24@example.com	+43 1 5125 0	head	01a217eb-f65d-73e8-be23-9673c9aae46c
cedar	01a217eb-f67d-748c-b1d4-795c31ab16b6	\N	\N	2	2025-02-19 16:36:00+00	2025-02-20 16:36:00+00	Person 28	person28@example.com	+43 1 5125 0	head	01a217eb-f67a-7295-8b8d-7c939b16e621
cedar	01a217eb-f69c-7074-8347-c40dd25e9f20	\N	\N	2	2025-03-13 14:32:00+00	2025-03-14 14:32:00+00	Person 32	person32@example.com	+43 1 5125 0	head	01a217eb-f694-754b-820d-e27bb4d64f66
cedar	01a217eb-f6bc-768c-b2df-335f474dfc16	\N	\N	2	2025-10-16 13:05:00+00	2025-10-17 13:05:00+00	Person 36	person36@example.com	+43 1 5125 0	head	01a217eb-f6b9-72fb-b8fd-2b6bfcc679ce
cedar	01a217eb-f6e8-77d2-845d-9deb5cad8b20	\N	\N	2	2025-04-04 10:27:00+00	2025-04-05 10:27:00+00	Person 40	person40@example.com	+43 1 5125 0	head	01a217eb-f6e2-7289-8d55-1765da08c63c
cedar	01a217eb-f70d-72a5-9ec9-79bd1f2ec38f	\N	\N	2	2025-04-06 10:44:00+00	2025-04-07 10:44:00+00	Person 44	person44@example.com	+43 1 5125 0	head	01a217eb-f700-71d2-9103-a11d45e2a996
cedar	01a217eb-f72a-7790-9347-34cbd81b2df2	\N	\N	2	2026-01-07 16:08:00+00	2026-01-08 16:08:00+00	Person 48	person48@example.com	+43 1 5125 0	head	01a217eb-f725-7375-9043-53c9c6ef3232
cedar	01a217eb-f75a-7349-af9b-049005e17b87	\N	\N	2	2025-02-20 18:10:00+00	2025-02-21 18:10:00+00	Person 52	person52@example.com	+43 1 5125 0	head	01a217eb-f756-7320-b7ba-2671a4fcced5
birch	01a217eb-fe6f-712e-95ab-3362632c3a4a	\N	\N	2	2025-01-21 15:29:00+00	2025-01-22 15:29:00+00	Person 0	person0@example.com	+43 1 5125 0	head	01a217eb-fe6c-7397-a2ff-054ef0c9c2b1
birch	01a217eb-fea2-7433-be1e-1c36640d07b4	\N	\N	2	2025-02-28 14:54:00+00	2025-03-01 14:54:00+00	Person 4	person4@example.com	+43 1 5125 0	head	01a217eb-fe9c-771c-98d6-8784e492fc90
\.
COPY public.touchpoints ("tenant_id", "id", "external_id", "external_hash", "version", "created_at", "updated_at", "contact_id", "channel", "direction", "outcome", "duration_seconds", "attempts", "campaign", "responded", "customer_id") FROM stdin;
cedar	01a217eb-f815-7539-b5b7-7969394b6abe	\N	\N	1	2025-02-11 10:44:00+00	2025-02-11 10:44:00+00	\N	phone	inbound	\N	\N	1	spring	f	01a217eb-f5d8-77a0-88e9-67c1995bf85f
cedar	01a217eb-f832-7254-bdef-8ed027ab7d3d	\N	\N	1	2026-03-15 17:34:00+00	2026-03-15 17:34:00+00	\N	email	outbound	\N	\N	1	spring	t	01a217eb-f5f2-743f-9ad0-d19204c158c7
cedar	01a217eb-f864-7303-9611-e0f6e1dc4464	\N	\N	1	2026-02-10 17:01:00+00	2026-02-10 17:01:00+00	\N	phone	inbound	\N	\N	1	\N	f	01a217eb-f5fa-772e-bad9-a13d6a96841a
cedar	01a217eb-f882-7747-a3e0-3baa198a99a0	\N	\N	1	2025-03-25 11:20:00+00	2025-03-25 11:20:00+00	\N	phone	inbound	\N	\N	1	\N	f	01a217eb-f5fe-71e8-879a-5ce7c496b294
cedar	01a217eb-f899-776e-a9a4-04a8f20f7af7	\N	\N	1	2025-12-19 13:39:00+00	2025-12-19 13:39:00+00	\N	email	inbound	\N	\N	1	\N	f	01a217eb-f602-73ef-bfad-88254a945d85
cedar	01a217eb-f8a9-74c3-a841-5d8f9cad5ccf	\N	\N	1	2026-05-31 15:39:00+00	2026-05-31 15:39:00+00	\N	visit	outbound	\N	\N	1	spring	f	01a217eb-f60a-76ca-a935-5b5fade33026
cedar	01a217eb-f8c7-7242-a679-90a4c7f55b3d	\N	\N	1	2025-10-04 16:09:00+00	2025-10-04 16:09:00+00	\N	phone	outbound	\N	\N	1	\N	t	01a217eb-f611-7674-b72f-737ef3bd21be
cedar	01a217eb-f8f7-7376-8266-8724616d20df	\N	\N	1	2025-07-05 09:43:00+00	2025-07-05 09:43:00+00	\N	visit	inbound	\N	\N	1	\N	f	01a217eb-f624-7126-b316-1ac6f29c1527
cedar	01a217eb-f8fd-74b9-a7ff-72b0133922a3	\N	\N	1	2026-05-19 09:42:00+00	2026-05-19 09:42:00+00	\N	visit	outbound	subscribed	\N	1	\N	\N	01a217eb-f627-7635-bb1e-0b423bdf753e
cedar	01a217eb-f939-73f3-963c-f44dab295fe6	\N	\N	1	2026-03-28 18:33:00+00	2026-03-28 18:33:00+00	\N	email	outbound	subscribed	\N	1	\N	f	01a217eb-f638-7219-b64c-aa44938c72ad
cedar	01a217eb-f956-7511-ae37-c765922082ee	\N	\N	1	2025-12-14 11:27:00+00	2025-12-14 11:27:00+00	\N	visit	outbound	\N	\N	1	\N	f	01a217eb-f63c-77ba-940e-7e9219046297
cedar	01a217eb-f96e-7079-9c17-88838cd2ca32	\N	\N	1	2025-07-18 18:59:00+00	2025-07-18 18:59:00+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-f646-70ca-abbb-f1cb55baa6de
cedar	01a217eb-f9b7-708e-bb17-ae5c47ff7120	\N	\N	1	2025-08-27 17:10:00+00	2025-08-27 17:10:00+00	\N	phone	inbound	subscribed	\N	1	spring	f	01a217eb-f658-7043-be64-1a3385373ea4
cedar	01a217eb-f9ce-7712-8799-e26f5b8d8ba7	\N	\N	1	2026-02-07 15:32:00+00	2026-02-07 15:32:00+00	\N	visit	inbound	\N	\N	1	\N	f	01a217eb-f666-7348-973e-c8d449a90eb0
cedar	01a217eb-f9ec-7100-be10-3e3318cd7c73	\N	\N	1	2026-04-15 18:06:00+00	2026-04-15 18:06:00+00	\N	visit	inbound	\N	\N	1	\N	f	01a217eb-f66d-734a-a7f1-0834d5d2f27a
cedar	01a217eb-fa06-77d6-b612-2531f501bbcd	\N	\N	1	2026-05-30 17:31:00+00	2026-05-30 17:31:00+00	\N	email	inbound	subscribed	\N	1	spring	f	01a217eb-f67a-7295-8b8d-7c939b16e621
cedar	01a217eb-fa13-704e-823c-35665ed8d1bf	\N	\N	1	2026-04-28 15:45:00+00	2026-04-28 15:45:00+00	\N	phone	inbound	subscribed	\N	1	spring	\N	01a217eb-f685-77fa-81a4-4b46a6ea88b8
cedar	01a217eb-fa64-71be-bad0-492b5f7c7518	\N	\N	1	2025-09-18 10:39:00+00	2025-09-18 10:39:00+00	\N	phone	outbound	\N	\N	1	\N	t	01a217eb-f694-754b-820d-e27bb4d64f66
cedar	01a217eb-fa7f-7296-9704-bb1e4eea1e09	\N	\N	1	2025-09-06 17:09:00+00	2025-09-06 17:09:00+00	\N	email	inbound	subscribed	\N	1	spring	f	01a217eb-f6a6-7091-be58-9a2b0118e516
cedar	01a217eb-fab3-71dc-bd56-3692b9dc5149	\N	\N	1	2025-07-04 10:00:00+00	2025-07-04 10:00:00+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-f6b9-72fb-b8fd-2b6bfcc679ce
cedar	01a217eb-fafd-77f0-b5e1-2ed008b27fa4	\N	\N	1	2026-01-15 18:59:00+00	2026-01-15 18:59:00+00	\N	email	inbound	subscribed	\N	1	spring	\N	01a217eb-f6f3-77b1-8f9b-1cad1ef061f1
cedar	01a217eb-fb25-75a1-93f3-9862c9ec9b63	\N	\N	1	2025-06-23 11:19:00+00	2025-06-23 11:19:00+00	\N	visit	outbound	subscribed	\N	1	spring	\N	01a217eb-f6fa-7779-b5a5-0c2c300b32bd
cedar	01a217eb-fb35-7490-86fc-47ceab3baae5	\N	\N	1	2025-04-01 14:01:00+00	2025-04-01 14:01:00+00	\N	phone	outbound	subscribed	\N	1	spring	f	01a217eb-f714-7536-9ceb-b8a7f00a6867
cedar	01a217eb-fb4b-7319-a6a7-570147375ece	\N	\N	1	2025-07-31 12:28:00+00	2025-07-31 12:28:00+00	\N	visit	outbound	\N	\N	1	spring	t	01a217eb-f718-721f-b9d7-222bc82373ba
cedar	01a217eb-fb61-7272-8f95-4e5ac431aae9	\N	\N	1	2026-01-21 13:21:00+00	2026-01-21 13:21:00+00	\N	email	inbound	subscribed	\N	1	spring	f	01a217eb-f71d-728d-902f-9889a5c4d4a6
cedar	01a217eb-fb6a-737a-8b90-48ff8e6de402	\N	\N	1	2025-04-15 14:15:00+00	2025-04-15 14:15:00+00	\N	visit	outbound	subscribed	\N	1	\N	t	01a217eb-f725-7375-9043-53c9c6ef3232
cedar	01a217eb-fb95-73d3-bb0b-ef38175ad990	\N	\N	1	2025-08-30 14:15:00+00	2025-08-30 14:15:00+00	\N	phone	inbound	subscribed	\N	1	spring	\N	01a217eb-f74a-724f-8e9d-e2a72e39ecf9
cedar	01a217eb-fbce-70ef-a5b7-53df21d77878	\N	\N	1	2025-10-16 11:28:00+00	2025-10-16 11:28:00+00	\N	visit	outbound	subscribed	\N	1	spring	f	01a217eb-f764-72f1-aee0-3ab5a739bffb
cedar	01a217eb-fc1a-7176-b582-a0f76c117298	\N	\N	1	2026-04-09 15:11:00+00	2026-04-09 15:11:00+00	\N	phone	outbound	subscribed	\N	1	spring	f	01a217eb-f76b-7294-9e60-0e2a70322a89
cedar	01a217eb-fddf-74f8-9749-7d0b3f0dc8f0	\N	\N	1	2026-11-26 12:54:31.646787+00	2026-11-26 12:54:31.646787+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-f767-726c-b38d-9a3449774168
cedar	01a217eb-fded-74c4-926a-c26aa87b7edb	\N	\N	1	2026-11-26 12:54:31.660484+00	2026-11-26 12:54:31.660484+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-f76b-7294-9e60-0e2a70322a89
birch	01a217eb-fec8-7489-a942-cd505867e298	\N	\N	1	2025-07-11 09:44:00+00	2025-07-11 09:44:00+00	\N	visit	inbound	subscribed	\N	1	spring	t	01a217eb-fe6c-7397-a2ff-054ef0c9c2b1
birch	01a217eb-feed-70dc-bd87-283f48421607	\N	\N	1	2025-11-10 10:29:00+00	2025-11-10 10:29:00+00	\N	visit	outbound	subscribed	\N	1	\N	t	01a217eb-fe86-71dc-bf81-bbca9fbc4f19
birch	01a217eb-ff28-77de-9c53-1c1cf27fd1ac	\N	\N	1	2025-09-06 15:15:00+00	2025-09-06 15:15:00+00	\N	phone	outbound	subscribed	\N	1	spring	t	01a217eb-fe92-7178-9b0b-e8d5f91022db
birch	01a217eb-ff2e-7403-8f2e-3e411e9ccd42	\N	\N	1	2025-05-09 12:18:00+00	2025-05-09 12:18:00+00	\N	phone	inbound	subscribed	\N	1	spring	t	01a217eb-fe99-74ff-9a00-33d3fab7d259
birch	01a217eb-ff3c-7051-acfa-b0a94a7df900	\N	\N	1	2026-05-13 12:53:00+00	2026-05-13 12:53:00+00	\N	visit	inbound	subscribed	\N	1	spring	f	01a217eb-fe9c-771c-98d6-8784e492fc90
birch	01a217eb-ff41-7662-92da-fa3fe3e16e26	\N	\N	1	2025-03-21 14:37:00+00	2025-03-21 14:37:00+00	\N	phone	outbound	\N	\N	1	spring	f	01a217eb-feac-70f5-9c58-4a044d9819b0
birch	01a217eb-ff67-7713-953a-561471ff62b4	\N	\N	1	2026-04-24 16:13:00+00	2026-04-24 16:13:00+00	\N	email	inbound	\N	\N	1	\N	f	01a217eb-feb6-7072-b8a7-8d913369946b
birch	01a217eb-ff81-7356-a79b-eebdc67006bd	\N	\N	1	2025-06-05 11:08:00+00	2025-06-05 11:08:00+00	\N	visit	inbound	\N	\N	1	\N	t	01a217eb-febb-730d-8ef9-9b00b5590e93
birch	01a217eb-ffaa-7297-8cc1-7a460dee90b4	\N	\N	1	2026-11-26 12:54:32.105117+00	2026-11-26 12:54:32.105117+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-feb6-7072-b8a7-8d913369946b
birch	01a217eb-ffb9-700e-b083-e1ec56b21e1a	\N	\N	1	2026-11-26 12:54:32.120585+00	2026-11-26 12:54:32.120585+00	\N	phone	inbound	\N	\N	1	\N	\N	01a217eb-febb-730d-8ef9-9b00b5590e93
cedar	01a217ec-585c-77d9-b03c-f4140204b392	\N	\N	1	2025-07-17 16:55:00+00	2025-07-17 16:55:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f5dd-7713-a8e9-aefe48458858
cedar	01a217ec-5865-724f-b5bb-ba66838dc034	\N	\N	1	2025-09-17 15:50:00+00	2025-09-17 15:50:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f5e4-7498-bb17-a4bf0eddfd4d
cedar	01a217ec-5870-756f-95e2-cbac8a5c07d8	\N	\N	1	2025-08-26 13:19:00+00	2025-08-26 13:19:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f5f2-743f-9ad0-d19204c158c7
cedar	01a217ec-593c-70c6-9d4d-bc7c501e0d4a	\N	\N	1	2025-09-27 12:28:00+00	2025-09-27 12:28:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f5fa-772e-bad9-a13d6a96841a
cedar	01a217ec-5967-712d-9585-69653dfc3c5f	\N	\N	1	2025-09-22 13:48:00+00	2025-09-22 13:48:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f5fe-71e8-879a-5ce7c496b294
cedar	01a217ec-5986-76dd-b01f-93c3c3b6d963	\N	\N	1	2025-09-10 12:13:00+00	2025-09-10 12:13:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-f602-73ef-bfad-88254a945d85
birch	01a217ec-65a0-713b-b496-9ffaced56c9c	\N	\N	1	2025-08-20 15:05:00+00	2025-08-20 15:05:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-fe99-74ff-9a00-33d3fab7d259
birch	01a217ec-65b3-750b-b32b-666e4719649c	\N	\N	1	2025-06-17 16:11:00+00	2025-06-17 16:11:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-fe9c-771c-98d6-8784e492fc90
birch	01a217ec-65d7-755c-a970-76a9d7883ff5	\N	\N	1	2025-08-14 13:44:00+00	2025-08-14 13:44:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-feac-70f5-9c58-4a044d9819b0
birch	01a217ec-660d-7133-b276-53b67c51bca1	\N	\N	1	2025-09-03 11:20:00+00	2025-09-03 11:20:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-feb6-7072-b8a7-8d913369946b
birch	01a217ec-663e-76ed-b2e1-6c420d3f52cc	\N	\N	1	2025-07-20 14:12:00+00	2025-07-20 14:12:00+00	\N	visit	inbound	\N	\N	1	\N	\N	01a217eb-febb-730d-8ef9-9b00b5590e93
\.
SELECT setval('public.outbox_seq_seq', 174);
